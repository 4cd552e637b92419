"""`gemel demo`: the main job on two people who are long dead, from shipped public-domain writings."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gemel.cli.make import TITLES, told
from gemel.cli.output import human, show_progress

if TYPE_CHECKING:
    from gemel.workspace import Workspace

ASSETS = Path(__file__).parents[1] / "assets" / "demo"
HAMILTON: dict[str, Any] = {
    "scale": "tiny",
    "name": "Alexander Hamilton",
    "corpus": {"author": "Alexander Hamilton", "impostor": "James Madison", "split": [0.65, 0.1, 0.25]},
}
HIGGINS: dict[str, Any] = {
    "scale": "tiny",
    "name": "Henry Higgins",
    "import": {"me": "Higgins"},
    "corpus": {"split": [0.65, 0.1, 0.25]},
}
ASKED = (
    "Will you teach me to speak properly?",
    "What have you done with your slippers?",
    "Do you think she could pass for a duchess?",
)


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-twin"),
    show_default=True,
    help="Where the two twins are made.",
)
@click.option("--minutes", type=float, default=2.0, show_default=True, help="Training time of each voice.")
def command(folder: Path, minutes: float) -> None:
    """Make and measure two twins of shipped writings: Hamilton's essays, and Higgins in a group chat.

    Nothing is downloaded. The same command again skips what is done.
    """
    import time

    from gemel.workspace import Workspace

    start = time.monotonic()
    hamilton, higgins = Workspace(folder / "hamilton"), Workspace(folder / "higgins")
    click.echo(
        "Two twins from writings in the public domain, on this machine alone:\n"
        "  Alexander Hamilton, from his Federalist papers (measured against James Madison), and\n"
        "  Henry Higgins, from Shaw's Pygmalion written out as a WhatsApp group (a small sample).\n"
    )
    with show_progress():
        hamilton_says = _make("Alexander Hamilton", hamilton, "federalist.zip", HAMILTON, minutes)
        higgins_says = _make("Henry Higgins", higgins, "pygmalion.zip", HIGGINS, minutes)
    _exchanges(higgins)
    click.secho("\nVerdict", bold=True)
    click.echo(f"  Hamilton: {hamilton_says}\n  Higgins (small sample): {higgins_says}")
    click.secho("\nWhere things are", bold=True)
    for workspace in (hamilton, higgins):
        for page in sorted([*workspace.root.glob("portrait/*.html"), *workspace.root.glob("evals/*/report.html")]):
            click.echo(f"  {page}")
    click.echo(
        f"\nTalk:  gemel talk --twin {higgins.root}\nPage:  gemel serve --twin {higgins.root}\n\n"
        "The base that ships is tiny: it knows how conversations look and no facts, so what you read above is\n"
        "format, rhythm and words. A 3 B base (`--base` with a local folder or hub name; about 4 GB in 8 bit)\n"
        "brings sense; card, memory and measures stay the same.\n"
        f"All of this took {human(time.monotonic() - start)}."
    )


def _make(title: str, workspace: Workspace, export: str, settings: dict[str, Any], minutes: float) -> str:
    from gemel.model.display import Display
    from gemel.pipeline.make import make

    click.secho(f"── {title} ──", bold=True)
    overrides = {**settings, "train": {"max_minutes": minutes}}
    done = make(
        workspace,
        [ASSETS / export],
        overrides=overrides,
        before=lambda stage: click.echo(TITLES[stage]),
        after=partial(told, workspace),
    )
    click.echo("")
    last = done[-1]
    display = Display(workspace, workspace.config())
    return last.left_out or display.outward(last.summary)


def _exchanges(workspace: Workspace) -> None:
    from gemel.examples import Role, Turn
    from gemel.model.display import Display
    from gemel.model.twin import answers, load_twin, prepare
    from gemel.speaker import Sampling

    config = workspace.config()
    display = Display(workspace, config)
    twin = load_twin(workspace, config)
    untrained = answers(workspace, config, prepare(workspace, config), me=twin.me)
    speakers = {"base": untrained.speakers["voice"], **{way: twin.speakers[way] for way in ("voice", "assisted")}}
    click.secho("── Three questions to Higgins ──", bold=True)
    for number, question in enumerate(ASKED):
        click.secho(f"\nEliza: {question}", bold=True)
        turn = Turn(role=Role.other, parts=(display.inward(question),), name=display.inward("Eliza"))
        for way, speaker in speakers.items():
            reply = speaker.reply(
                [turn], sampling=Sampling(max_tokens=60, temperature=0.8, top_p=config.serve.top_p, seed=number + 1)
            )
            mark = "  (his own words, quoted)" if reply.quoted else ""
            click.echo(f"  {way:>8}: {' / '.join(map(display.outward, reply.parts))}{mark}")
    untrained.engine.close(drain=False)
    twin.close()
