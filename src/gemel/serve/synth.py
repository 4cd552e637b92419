"""What `gemel synth` made, to be read: personas with their relations, questions, answers with their quotations.

Only files of the twin's own synth/ folder are read. Pairs from the owner's documents show their text, so the
scope `names` is needed; names in them are pseudonyms, as the quotations' offsets belong to that text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from pydantic import BaseModel, ValidationError

from gemel.errors import GemelError
from gemel.pipeline.synth_job import load_job, read_rows
from gemel.serve.access import need
from gemel.serve.faults import NotFound
from gemel.serve.house import House
from gemel.serve.own import ERRORS
from gemel.synth.engine import row_id
from gemel.text import fold
from gemel.workspace import Workspace

__all__ = ["router"]

router = APIRouter(prefix="/api/synth", tags=["synth"], responses=ERRORS)
Name = Annotated[str, InPath(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$")]
MOST = 300
"""People of a drawn graph."""
BESIDE = (".calls", ".dead", ".graph")
"""Files beside an output that are no rows to read."""


class MadeInfo(BaseModel):
    """One output of synthesis."""

    name: str
    kind: str
    """personas, relate, questions, knowledge, qa, run; "" where the job is not known."""
    rows: int | None
    """Null while it is not finished."""
    missing: int
    dropped: dict[str, int]
    """Rows that a screen left out, by reason."""
    figures: dict[str, float]
    """Diversity, where it applies."""
    changed: float


class Claim(BaseModel):
    """A claim of an answer and where its quotations lie in the text."""

    claim: str
    spans: list[list[int]]
    """[start, end) each, in code points."""


class Made(BaseModel):
    """One row; what does not apply is empty."""

    id: str
    domain: str = ""
    persona: str = ""
    question: str = ""
    answer: str = ""
    title: str = ""
    text: str = ""
    claims: list[Claim] = []
    parent: str = ""
    relation: str = ""
    round: int = 0


class Domain(BaseModel):
    """How many rows a domain has."""

    name: str
    rows: int


class Page(BaseModel):
    """Some rows of an output."""

    domains: list[Domain]
    """All domains, the largest first."""
    total: int
    """Rows of the chosen domain, or all."""
    rows: list[Made]
    unread: int
    """Rows that are none of synthesis."""


class Graph(BaseModel):
    """Who stands in which relation to whom: every person names the one they came from."""

    people: list[Made]
    total: int
    """People there are; the first ones are given."""


@router.get("")
async def made(request: Request) -> list[MadeInfo]:
    """Everything that was made, the newest first."""
    need(request, "names")
    house: House = request.app.state.house
    found: list[MadeInfo] = await house.run(_outputs, house.workspace)
    return found


@router.get("/{name}")
async def rows(
    request: Request,
    name: Name,
    domain: Annotated[str, Query(max_length=100)] = "",
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    count: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Page:
    """Rows of one output, of one domain or all."""
    need(request, "names")
    house: House = request.app.state.house
    found: Page = await house.run(_page, _file(house.workspace, name), fold(domain), offset, count)
    return found


@router.get("/{name}/graph")
async def graph(request: Request, name: Name) -> Graph:
    """The personas of an output with who they came from."""
    need(request, "names")
    house: House = request.app.state.house
    found: Graph = await house.run(_graph, _file(house.workspace, name))
    return found


def _outputs(workspace: Workspace) -> list[MadeInfo]:
    folder = workspace.root / "synth"
    files = folder.glob("*.jsonl") if folder.is_dir() else ()
    found = [_about(f) for f in files if not f.stem.endswith(BESIDE)]
    return sorted(found, key=lambda m: -m.changed)


def _about(file: Path) -> MadeInfo:
    try:
        job, counts = load_job(file)
        kind = job.kind
    except (GemelError, ValueError, KeyError):
        kind, counts = "", {}
    return MadeInfo(
        name=file.stem,
        kind=kind,
        rows=counts.get("rows"),
        missing=counts.get("missing", 0),
        dropped=counts.get("dropped", {}),
        figures=counts.get("figures", {}),
        changed=file.stat().st_mtime,
    )


def _file(workspace: Workspace, name: str) -> Path:
    file = workspace.synth(name)
    if name.endswith(BESIDE) or not file.is_file():
        raise NotFound("nothing of this name was synthesised", hint="GET /api/synth lists what was.")
    return file


def _page(file: Path, domain: str, offset: int, count: int) -> Page:
    domains: Counter[str] = Counter()
    spelled: dict[str, str] = {}
    total, unread, kept = 0, 0, []
    for row in _read(file):
        if row is None:
            unread += 1
            continue
        key = fold(row.domain)
        spelled.setdefault(key, row.domain)
        domains[key] += 1
        if domain in ("", key):
            if offset <= total < offset + count:
                kept.append(row)
            total += 1
    named = [Domain(name=spelled[k], rows=n) for k, n in domains.most_common() if k]
    return Page(domains=named, total=total, rows=kept, unread=unread)


def _graph(file: Path) -> Graph:
    people = [r for r in _read(file) if r is not None and r.persona]
    return Graph(people=people[:MOST], total=len(people))


def _read(file: Path) -> Iterator[Made | None]:
    """Rows as they are shown; None for one that is no row of synthesis."""
    names = Made.model_fields.keys()
    for raw in read_rows(file):
        given: dict[str, Any] = {k: v for k, v in raw.items() if k in names and v is not None}
        given["id"] = row_id(raw)
        given.setdefault("question", raw.get("instruction") or "")
        try:
            yield Made.model_validate(given)
        except ValidationError:
            yield None
