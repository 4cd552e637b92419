"""`gemel privacy`: what is stored, what is replaced, what would leave, and what each contact allows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gemel.cli.output import show_progress, table, twin_option

if TYPE_CHECKING:
    from gemel.pipeline.forget import Forgotten
    from gemel.privacy.holdings import Holdings
    from gemel.workspace import Workspace


@click.group()
def command() -> None:
    """See and decide what gemel keeps, replaces and sends."""


@command.command()
@click.option("--people", "names", is_flag=True, help="List everyone by name.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, without names.")
@twin_option
def report(twin: Path, names: bool, as_json: bool) -> None:
    """What is stored, what is replaced by type, what would be sent where."""
    from gemel.privacy.holdings import holdings
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    with show_progress():
        found = holdings(workspace, workspace.config())
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=1))
        return
    _stored(found)
    _replaced(found)
    _leaving(found)
    _consent(found, names)


def _stored(found: Holdings) -> None:
    rows = [
        (p.name, f"{p.count:,} {p.unit}" if p.count is not None else "", _size(p.bytes), p.mode, p.what)
        for p in found.places
    ]
    click.echo(table(["stored", "holds", "size", "mode", "what it is"], rows))
    raw = [p.name for p in found.places if p.raw]
    click.echo(f"\nText as it was typed, with names: {', '.join(raw) or 'nowhere'}. All else is scrubbed.")
    if found.unservable:
        click.echo(f"Voices that must not speak until trained anew: {', '.join(found.unservable)}")


def _replaced(found: Holdings) -> None:
    kinds = sorted({*found.replaced, *found.entities})
    rows = [(kind, found.replaced.get(kind, 0), found.entities.get(kind, 0)) for kind in kinds]
    click.echo("\n" + table(["replaced", "times", "different"], rows) if rows else "\nNothing is replaced.")
    if found.own:
        touched = [(topic, n, f"{100 * n / found.own:.1f} %") for topic, n in found.topics.items()]
        click.echo("\n" + table([f"topic, of {found.own:,} of yours", "records", "share"], touched))


def _leaving(found: Holdings) -> None:
    away = [s for s in found.sent if not s.local]
    click.echo("\nLeaves this machine: " + ("" if away else "nothing."))
    for sent in found.sent:
        place = f"{sent.host} (this machine)" if sent.local else sent.host
        click.echo(f"  {sent.setting} → {place}: {sent.what}")


def _consent(found: Holdings, names: bool) -> None:
    counts = {
        c: sum(p.consent.value == c and not p.me for p in found.people) for c in ("include", "context", "exclude")
    }
    click.echo("\nContacts: " + ", ".join(f"{n:,} {c}" for c, n in counts.items()))
    if names:
        rows = [
            (p.name, p.id, "you" if p.me else p.consent.value, found.messages.get(p.id, 0))
            for p in sorted(found.people, key=lambda p: (not p.me, -found.messages.get(p.id, 0), p.name))
        ]
        click.echo(table(["name", "id", "consent", "messages"], rows))


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


@command.command()
@click.argument("name")
@click.argument("decision", type=click.Choice(["include", "context", "exclude"]), required=False)
@twin_option
def consent(name: str, decision: str | None, twin: Path) -> None:
    """Show or set what the contact NAME allows.

    include: their words may be learned from. context: they stand beside yours under a pseudonym (the default).
    exclude: they are used nowhere, what was made of them is cleared, and voices trained on them fall silent.
    """
    from gemel.people import Consent
    from gemel.pipeline.forget import set_consent
    from gemel.privacy.consent import decisions, person_called
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    if decision is None:
        person = person_called(workspace.people(), name)
        changes = sum(d.person == person.id for d in decisions(workspace))
        click.echo(f"{person.consent.value} ({changes} changes in the ledger)")
        return
    done = set_consent(workspace, name, Consent(decision))
    click.echo(f"noted: {decision}")
    if done is not None:
        tell(done)
    else:
        click.echo("Run `gemel build` to make the data set anew.")


@command.command()
@click.argument("text", required=False)
@twin_option
def check(text: str | None, twin: Path) -> None:
    """Show what would be replaced in TEXT (or standard input), and by what."""
    from contextlib import closing

    from gemel.privacy.scrub import Scrubber
    from gemel.privacy.vault import Vault
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    given = text if text is not None else sys.stdin.read()
    workspace.prepare()
    with closing(Vault(workspace.vault_path)) as vault:
        scrubber = Scrubber(vault, workspace.people(), workspace.config().privacy)
        for span in scrubber.findings(given):
            click.echo(f"{span.start}-{span.end}\t{span.kind}\t{given[span.start : span.end]}", err=True)
        click.echo(scrubber.text(given))


@command.command()
@click.option("--keyring", is_flag=True, help="Keep the passphrase in the system's keyring.")
@twin_option
def lock(twin: Path, keyring: bool) -> None:
    """Encrypt the vault under a passphrase, which is asked for twice.

    From then on gemel needs it: in GEMEL_PASSPHRASE, or in the system's keyring. Nobody can restore names without it.
    """
    from gemel.privacy.cipher import VARIABLE, keep_passphrase
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    passphrase = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, type=str)
    if keyring:
        keep_passphrase(workspace.vault_path, passphrase)
    _lock(workspace, passphrase)
    click.echo("The vault is locked." + ("" if keyring else f" gemel needs its passphrase in {VARIABLE}."))


@command.command()
@twin_option
def unlock(twin: Path) -> None:
    """Write the vault in the open again."""
    from gemel.workspace import Workspace

    _lock(Workspace(twin), None)
    click.echo("The vault is no longer encrypted.")


def _lock(workspace: Workspace, passphrase: str | None) -> None:
    from contextlib import closing

    from gemel.privacy.vault import Vault

    with workspace.lock("lock"), closing(Vault(workspace.vault_path)) as vault:
        vault.lock(passphrase)


def tell(done: Forgotten) -> None:
    """What was taken out, what falls silent, what was not reached."""
    click.echo(f"{done.records:,} records concerned")
    for place, count in sorted(done.counts.items()):
        click.echo(f"  {count:,} from {place}")
    if done.runs:
        now = f"the twin is now {done.current}" if done.current else "the twin has no voice until you train again"
        click.echo(f"Silent until trained anew: {', '.join(done.runs)}; {now}.")
    click.echo("Not reached: " + "; ".join(done.remains) + ".")
    click.echo("Run `gemel build` to make the data set anew.")
