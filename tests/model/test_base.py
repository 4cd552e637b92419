"""Loading bases: the tiny one built in code, what is missing, what is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import tiny_base, tiny_folder, tiny_model, tiny_tokenizer

from gemel.config import ModelSection
from gemel.errors import DamagedCheckpoint, MissingModel
from gemel.model.base import choose_precision, load_base, load_run
from gemel.model.template import SPECIAL_TOKENS


def test_tiny_base_loads_by_folder(tmp_path: Path) -> None:
    base = tiny_base(tmp_path)
    assert base.template.name == "gemel"
    assert base.context == 512
    assert base.folder == tmp_path
    same = tiny_model()
    ids = torch.tensor([[1, 5, 40, 41]])
    assert torch.equal(base.model(ids).logits, same(ids).logits)


def test_context_is_bounded_by_the_section(tmp_path: Path) -> None:
    assert load_base(ModelSection(base=str(tiny_folder(tmp_path)), context=64)).context == 64


def test_missing_base_says_what_to_do() -> None:
    with pytest.raises(MissingModel, match="nowhere/nothing") as caught:
        load_base(ModelSection(base="nowhere/nothing"))
    assert "local folder" in caught.value.hint


def test_damaged_weights_are_told(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path)
    (folder / "model.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00 not a header ")
    with pytest.raises(DamagedCheckpoint):
        load_base(ModelSection(base=str(folder)))


def test_pickled_weights_are_never_read(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path)
    (folder / "model.safetensors").unlink()
    torch.save(tiny_model().state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(MissingModel):
        load_base(ModelSection(base=str(folder)))


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match="not a finished run"):
        load_run(tmp_path, ModelSection())


def test_gemel_tokens_are_added_to_a_base_without_them(tmp_path: Path) -> None:
    tiny_tokenizer(("<s>", "</s>"), bos_token="<s>", eos_token="</s>").save_pretrained(tmp_path)
    tiny_model(258).save_pretrained(tmp_path)
    base = load_base(ModelSection(base=str(tmp_path), template="gemel"), add_tokens=True)
    assert base.added == len(SPECIAL_TOKENS)
    table = base.model.get_input_embeddings().weight
    assert table.shape[0] >= 258 + base.added
    torch.testing.assert_close(table[258], table[:258].mean(0))


def test_small_models_stay_in_full_precision_on_a_cpu() -> None:
    config = tiny_model().config
    assert choose_precision("auto", config, torch.device("cpu")) == "fp32"
    assert choose_precision("bf16", config, torch.device("cpu")) == "bf16"
