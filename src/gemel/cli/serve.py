"""`gemel serve`: the page and the OpenAI-compatible API, on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from gemel.cli.output import show_progress, twin_option

__all__ = ["command"]


@click.command()
@twin_option
@click.option("--host", default="", help="Address; other than loopback needs --allow-remote.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port; 0 takes a free one.")
@click.option("--allow-remote", is_flag=True, help="Let other machines connect (every request still needs a token).")
@click.option("--name", "names", multiple=True, help="Another name this server answers under, e.g. twin.home.arpa.")
@click.option("--token", "new", default="", help="Make a token for a program of this name, print it and exit.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["chat", "names", "train", "admin"]),
    help="What that token may do; default: chat.",
)
def command(
    twin: Path,
    host: str,
    port: int | None,
    allow_remote: bool,
    names: tuple[str, ...],
    new: str,
    scopes: tuple[str, ...],
) -> None:
    """Serve the twin to its owner: a page to talk on, and an OpenAI-compatible API.

    The first line shows an address with a code in it, which pairs the browser that opens it.
    """
    from gemel.errors import ConfigError, MissingExtra
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    config = workspace.config()
    host, port = host or config.serve.host, config.serve.port if port is None else port
    try:
        from gemel.serve.run import Address, issue, serve
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "fastapi", extra="serve") from error
    if new:
        click.echo(issue(workspace, new, scopes or ("chat",)))
        return
    address = Address(host, port, names)
    if not address.loopback and not allow_remote:
        raise ConfigError(
            f"{host} can be reached from other machines", hint="Add --allow-remote if that is what you want."
        )
    with show_progress():
        serve(workspace, config, address, told=click.echo)
