"""`gemel audit`: what the voice knows by heart."""

from __future__ import annotations

from pathlib import Path

import click

from gemel.cli.output import show_progress, twin_option

__all__ = ["command"]


@click.command()
@click.argument("run", required=False)
@click.option("--canaries", type=click.IntRange(min=16), default=48, show_default=True, help="Made-up secrets.")
@twin_option
def command(run: str | None, canaries: int, twin: Path) -> None:
    """Test whether a voice gives training text away.

    Trains a shadow voice on the same data with made-up secrets in it, then tries to get them out. Takes as
    long as training. Ends with code 7 when the voice fails.
    """
    from gemel.errors import Refused
    from gemel.pipeline.audit import audit_run
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    with show_progress():
        found = audit_run(workspace, workspace.config(), run, count=canaries)
    click.echo(f"exposure of canaries       {found.exposure:.2f} bits (0 is chance)")
    click.echo(f"ε at least                 {found.epsilon:.2f} (95 % confidence)")
    click.echo(f"extracted                  {found.extraction:.1%} of {found.extraction_n} training replies")
    click.echo(f"membership                 AUC {found.membership:.2f} (0.5 is chance)")
    for contact, value in sorted(found.contacts.items(), key=lambda item: -item[1])[:8]:
        click.echo(f"  {contact:<25}{value:.2f}")
    if not found.passed:
        raise Refused(
            "the audit failed: " + "; ".join(found.failures),
            hint="Train for fewer epochs, with a smaller rank, or on more data, and do not share this voice.",
        )
    click.echo("passed")
