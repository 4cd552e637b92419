"""`gemel mcp`: the twin as tools for programs that speak the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path

import click

from gemel.cli.output import twin_option

__all__ = ["command"]


@click.command()
@click.option("--names", is_flag=True, help="Give real names to the program instead of pseudonyms.")
@click.option("--answer", default="", help="A way to answer: voice, assisted, memory or prompted.")
@twin_option
def command(names: bool, answer: str, twin: Path) -> None:
    """Offer ask_twin, search_memory and draft_reply over standard input and output.

    A program that hosts models starts this itself; what the tools return goes into that program's model, which may
    run on another machine. Names are pseudonyms there unless --names is given.
    """
    from gemel.errors import MissingExtra
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    config = workspace.config()
    try:
        from gemel.serve.companion import Companion
        from gemel.serve.mcp import mcp_server
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "mcp", extra="mcp") from error
    companion = Companion(workspace, config, names=names, answer=answer)
    try:
        mcp_server(companion).run("stdio")
    finally:
        companion.close()
