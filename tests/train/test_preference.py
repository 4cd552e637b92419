"""After a preference stage the voice finds what its owner preferred likelier than what it had said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("trl")

from tiny import conversation, tiny_base, tiny_folder

from gemel.config import ModelSection, TrainSection
from gemel.errors import TooLittle
from gemel.model.base import load_base, load_run
from gemel.model.likelihood import LocalScorer
from gemel.pipeline.train import save_voice
from gemel.track import Event, listening
from gemel.train.preference import Judged, Kind, Preference, prefer

SECTION = TrainSection(rank=4, lr=0.1, epochs=6, threads=1, warmup=2)
VALID = [conversation(100 + i) for i in range(2)]


def judged() -> list[Judged]:
    out = []
    for i in range(8):
        *context, reply = conversation(i, turns=2).turns
        said, better = replace(reply, parts=("NO WAY 17!",)), replace(reply, parts=("well, why not",))
        out.append(Judged(context=tuple(context), said=said, better=better))
        out.append(Judged(context=tuple(context), said=replace(reply, parts=("sure thing",)), liked=True))
    return out


@pytest.mark.parametrize("kind", ["dpo", "kto"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_what_is_preferred_becomes_likelier(kind: Kind, method: str, tmp_path: Path) -> None:
    tiny_folder(tmp_path / "base")
    base, reference = (load_base(ModelSection(base=str(tmp_path / "base"))) for _ in range(2))
    section = SECTION.model_copy(update={"method": method})
    heard: list[Event] = []
    with listening(heard.append):
        result = prefer(base, reference.model, Preference(kind=kind, judged=tuple(judged())), VALID, section)
    assert result.steps > 0
    assert result.before is not None
    assert result.loss is not None
    assert [e.fields["step"] for e in heard if e.name == "train.step"] == list(range(1, result.steps + 1))
    save_voice(base, tmp_path / "run", full=method == "full")
    again = load_run(tmp_path / "run", ModelSection())

    def margin(voice: LocalScorer) -> float:
        """Nats by which the better answer is likelier than the one that was given."""
        corrected = [j for j in judged() if j.better]
        better = voice.likelihoods([(j.context, j.better) for j in corrected])
        said = voice.likelihoods([(j.context, j.said) for j in corrected])
        return sum(s.total - b.total for s, b in zip(said, better, strict=True)) / len(corrected)

    assert margin(LocalScorer(again)) > margin(LocalScorer(reference)) + 0.5


def test_nothing_judged_is_told(tmp_path: Path) -> None:
    base = tiny_base(tmp_path)
    liked = tuple(j for j in judged() if j.liked)
    with pytest.raises(TooLittle, match="no answer was corrected"):
        prefer(base, base.model, Preference(kind="dpo", judged=liked), VALID, SECTION)
    with pytest.raises(TooLittle, match="liked and others"):
        prefer(base, base.model, Preference(kind="kto", judged=liked), VALID, SECTION)
