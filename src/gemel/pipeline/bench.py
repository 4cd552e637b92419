"""The bench on a twin's disk: make questions, collect answers, judge, decide. Files lie in `bench/<name>/`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gemel.config import Config
from gemel.errors import ConfigError, MissingStage, TooLittle
from gemel.evaluate.answers import Prompted, ask
from gemel.evaluate.bench.contamination import contamination
from gemel.evaluate.bench.controls import CONTROLS, controls
from gemel.evaluate.bench.files import (
    Answered,
    Judgment,
    Question,
    export_pairs,
    export_three_way,
    import_three_way,
    read_rows,
    write_rows,
)
from gemel.evaluate.bench.judge import judge_all
from gemel.evaluate.bench.result import Result, result
from gemel.evaluate.cases import Case, cases_of
from gemel.evaluate.journal import Journal
from gemel.evaluate.which import Place, Votes, ballots, count_votes, which_page
from gemel.examples import Role, Turn
from gemel.pipeline.evaluate import embed_of, load_material, read_split
from gemel.records import stable_id
from gemel.speaker import Speaker
from gemel.workspace import Manifest, Workspace, atomic, fingerprint

__all__ = ["Bench"]


class Bench:
    """One bench of one twin.

    Args:
        name: folder below `bench/`.
    """

    def __init__(self, workspace: Workspace, config: Config, name: str = "main") -> None:
        self.workspace = workspace
        self.config = config
        self.name = name
        self.folder = workspace.root / "bench" / name

    @property
    def questions(self) -> list[Question]:
        """The questions.

        Raises:
            MissingStage: when there are none yet.
        """
        found = read_rows(self.folder / "questions.jsonl", Question)
        if not found:
            raise MissingStage("this bench has no questions yet", hint="Run `gemel bench questions` first.")
        return found

    def answers(self) -> dict[str, dict[str, str]]:
        """System → question id → answer."""
        return {
            path.stem: {a.question: a.text for a in read_rows(path, Answered)}
            for path in sorted((self.folder / "answers").glob("*.jsonl"))
        }

    def judgments(self) -> list[Judgment]:
        """What every judge decided."""
        return [j for path in sorted((self.folder / "judgments").glob("*.jsonl")) for j in read_rows(path, Judgment)]

    def human(self) -> list[Judgment]:
        """What people decided, one file a rater."""
        return [j for path in sorted((self.folder / "human").glob("*.jsonl")) for j in read_rows(path, Judgment)]

    def ask_from(self, path: Path) -> int:
        """Take questions from a file: JSON lines, a three-way comparison (with its answers), or one a line."""
        if path.suffix == ".json":
            questions, answers, judgments = import_three_way(path)
            for system, rows in answers.items():
                write_rows(self.folder / "answers" / f"{system}.jsonl", rows)
            if judgments:
                write_rows(self.folder / "judgments" / "imported.jsonl", judgments)
        elif path.suffix == ".jsonl":
            questions = read_rows(path, Question)
        else:
            lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
            questions = [Question(id=stable_id(line), text=line) for line in lines if line]
        if not questions:
            raise TooLittle(f"{path.name} has no questions")
        write_rows(self.folder / "questions.jsonl", questions)
        return len(questions)

    def ask_from_heldout(self, limit: int = 200) -> int:
        """Make questions of what others asked the person in held-out chats; the true replies are the expert's."""
        cases = [
            c
            for c in cases_of(read_split(self.workspace.dataset("main"), "test"), (), limit=10**6).cases
            if c.incoming.rstrip().endswith("?")
        ][:limit]
        if not cases:
            raise TooLittle("nobody asks anything in the held-out chats", hint="Bring questions: --from FILE.")
        write_rows(
            self.folder / "questions.jsonl", [Question(id=c.id, text=c.incoming, document=c.session) for c in cases]
        )
        write_rows(
            self.folder / "answers" / "expert.jsonl", [Answered(question=c.id, text=c.truth.text) for c in cases]
        )
        return len(cases)

    def form(self) -> str:
        """An empty form for the person's own answers; filled in, it comes back by `take`."""
        rows = [json.dumps({"question": q.id, "asked": q.text, "text": ""}, ensure_ascii=False) for q in self.questions]
        return "\n".join(rows) + "\n"

    def take(self, path: Path, system: str) -> int:
        """Take answers from a form or file as those of `system` (expert, or retest when asked again)."""
        _named(system)
        rows = []
        known = {q.id for q in self.questions}
        for line in path.read_text(encoding="utf-8-sig").splitlines():
            if line.strip():
                try:
                    raw = json.loads(line)
                    row = Answered(question=str(raw["question"]), text=str(raw["text"]).strip())
                except (ValueError, KeyError, TypeError) as error:
                    raise ConfigError(
                        f"{path.name} is no filled form", hint="Make one with `gemel bench form`."
                    ) from error
                if row.text and row.question in known:
                    rows.append(row)
        if not rows:
            raise TooLittle(f"{path.name} answers none of the questions")
        write_rows(self.folder / "answers" / f"{system}.jsonl", rows)
        return len(rows)

    def systems(self, run: str | None = None) -> tuple[str, ...]:
        """Who answers if nobody is named: the twin's systems, without a voice where a server answers."""
        trained = run or self.workspace.current()
        return ("voice", "base", "prompted", "memory") if trained else ("base", "prompted", "memory")

    def answer(self, systems: Sequence[str], run: str | None = None) -> dict[str, int]:
        """Let the twin's systems and the controls answer.

        Raises:
            MissingStage: when there is neither a voice nor `model.server`.
        """
        name = run or self.workspace.current() or ""
        questions = self.questions
        out: dict[str, int] = {}
        for system, rows in controls(questions, self.answers().get("expert", {})).items():
            write_rows(self.folder / "answers" / f"{system}.jsonl", rows)
            out[system] = len(rows)
        if not systems:
            return out
        if not name and not self.config.model.server:
            raise MissingStage("there is no voice to ask", hint="Run `gemel train` first, or set model.server.")
        from gemel.pipeline.contenders import contenders

        me = load_material(self.workspace, self.config).name
        cases = [_case(q, me) for q in questions]
        journal = Journal(self.folder / "asked.jsonl", fingerprint("bench", {"run": name}, self.config.model))
        with contenders(self.workspace, self.config, name, me) as who:
            speakers = who.speakers(who.card.text())
            unknown = [s for s in systems if s not in speakers]
            if unknown:
                raise ConfigError(f"there is no system '{unknown[0]}'", hint=f"Known: {', '.join(speakers)}")
            for system in systems:
                said = ask(speakers[system], system, cases, journal=journal)
                told = [Answered(question=q.id, text=a.text) for q, a in zip(questions, said)]
                write_rows(self.folder / "answers" / f"{system}.jsonl", told)
                out[system] = len(told)
        return out

    def answer_by(self, speaker: Speaker, system: str, *, card: bool = False) -> int:
        """Let a contender from outside answer, under a name of its own.

        Args:
            card: tell it the person's card; else it knows the questions only.
        """
        if card:
            from gemel.model.twin import prepare

            speaker = Prompted(speaker, prepare(self.workspace, self.config).card.text(), name=system)
        questions = self.questions
        journal = Journal(self.folder / f"asked-{_named(system)}.jsonl", stable_id(system, card))
        said = ask(speaker, system, [_case(q, "") for q in questions], journal=journal)
        told = [Answered(question=q.id, text=a.text) for q, a in zip(questions, said)]
        write_rows(self.folder / "answers" / f"{system}.jsonl", told)
        return len(told)

    def judge(self, judge: Speaker, name: str, *, size: int = 2, systems: Sequence[str] = ()) -> int:
        """Let one judge compare; against the person's first answers where they answered twice, else blind."""
        answers = self.answers()
        reference = answers.pop("expert") if "retest" in answers and "expert" in answers else None
        chosen: Mapping[str, Mapping[str, str]] = {s: a for s, a in answers.items() if not systems or s in systems}
        if len(chosen) < 2:
            raise TooLittle("fewer than two systems have answers", hint="Run `gemel bench answer` first.")
        journal = Journal(self.folder / "judged.jsonl", "1")
        rows = judge_all(judge, name, self.questions, chosen, journal=journal, reference=reference, size=size)
        write_rows(self.folder / "judgments" / f"{stable_id(name, size)}.jsonl", rows)
        return len(rows)

    def decide(self) -> Result:
        """The result, written as JSON and as a page; without a data set nothing is said of contamination."""
        answers, questions = self.answers(), self.questions
        seen = None
        if Manifest.read(self.workspace.dataset("main")) is not None:
            learned = load_material(self.workspace, self.config).learned
            seen = contamination(questions, answers.get("expert", {}), learned, embed_of(self.config))
        known = {q.id for q in questions}
        found = result(
            questions,
            answers,
            [j for j in self.judgments() if j.question in known],
            human=self.human(),
            found=seen,
            teacher=self.config.synth.model,
        )
        for file, text in (
            ("result.json", json.dumps(found.to_dict(), ensure_ascii=False, indent=1)),
            ("result.html", found.html(self.name)),
        ):
            with atomic(self.folder / file) as path:
                path.write_text(text, encoding="utf-8")
        return found

    def export(self, form: str) -> str:
        """As `three-way` JSON or as `pairs` (JSON lines)."""
        make = export_three_way if form == "three-way" else export_pairs
        return make(self.questions, self.answers(), self.judgments())

    def which(self, run: str | None = None, *, items: int = 20) -> Path:
        """Write the page "which is me?"; its key stays in the bench."""
        name = run or self.workspace.current()
        if name is None:
            raise MissingStage("there is no voice to imitate anybody", hint="Run `gemel train` first.")
        material = load_material(self.workspace, self.config)
        cases = cases_of(material.test, material.learned, limit=4 * items).cases
        cases = tuple(c for c in cases if c.incoming and len(c.truth.text) > 12)[:items]
        if len(cases) < 5:
            raise TooLittle("fewer than five held-out replies answer somebody")
        from gemel.pipeline.contenders import contenders

        journal = Journal(self.folder / "which.jsonl", fingerprint("which", {"run": name}, self.config.model))
        with contenders(self.workspace, self.config, name, material.name) as who:
            answers = ask(who.answering["voice"], "voice", cases, journal=journal)
        page, key = which_page(material.name, cases, answers, items=items)
        for file, text in (("which.html", page), ("which.key.json", json.dumps(key))):
            with atomic(self.folder / file) as path:
                path.write_text(text, encoding="utf-8")
        return self.folder / "which.html"

    def votes(self, paths: Sequence[Path]) -> Votes:
        """Take votes that came back into `human/<rater>.jsonl`, and count all that are there."""
        path = self.folder / "which.key.json"
        if not path.exists():
            raise MissingStage("no page was made yet", hint="Run `gemel bench which` first.")
        key = {item: Place(*place) for item, place in json.loads(path.read_text(encoding="utf-8")).items()}
        for rater, rows in ballots(paths, key).items():
            write_rows(self.folder / "human" / f"{rater}.jsonl", rows)
        return count_votes(self.human())


def _named(system: str) -> str:
    """The name of a system, which also names its file.

    Raises:
        ConfigError: when it will not do for that, or a control is called so.
    """
    if not re.fullmatch(r"[\w.-]{1,60}", system) or system.startswith(".") or system in CONTROLS:
        raise ConfigError(
            f"'{system}' cannot name a system", hint="Take letters, digits, points, dashes; not the name of a control."
        )
    return system


def _case(question: Question, me: str) -> Case:
    return Case(
        id=question.id,
        session=question.document or question.id,
        context=(Turn(role=Role.other, parts=(question.text,), name=""),),
        truth=Turn(role=Role.me, parts=(), name=me),
        kind="qa",
    )
