"""The command line: one file per command, loaded when it is called, and the one place where errors
become exit codes.

| code | meaning |
|---|---|
| 0 | done |
| 1 | a mistake of gemel's own (a traceback is shown) |
| 2 | the command line or gemel.toml asks for something impossible |
| 3 | what was brought cannot be used |
| 4 | a part is missing: an extra, an earlier stage, a model |
| 5 | a server named by the user failed |
| 6 | memory, disk or time ran out, or the folder is in use |
| 7 | privacy, consent or an audit forbids it |
| 8 | finished, but some rows are missing and were listed |
| 130 | stopped by Ctrl-C |
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import click

from gemel import __version__
from gemel.errors import GemelError

__all__ = ["main"]

# The order of `gemel --help` is the order of the work; files not named here follow alphabetically.
ORDER = (
    "demo",
    "make",
    "talk",
    "serve",
    "import",
    "report",
    "privacy",
    "build",
    "train",
    "evaluate",
    "synth",
    "traits",
)


class Lazy(click.Group):
    """Commands are the modules of this package: `import_.py` holds `gemel import`, as `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = {m.name.strip("_").replace("_", "-") for m in pkgutil.iter_modules(__path__) if m.name != "output"}
        return [n for n in ORDER if n in names] + sorted(names - set(ORDER))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        name = cmd_name.replace("-", "_")
        for module in (name, f"{name}_"):
            if any(m.name == module for m in pkgutil.iter_modules(__path__)):
                command: click.Command = importlib.import_module(f"gemel.cli.{module}").command
                return command
        return None


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="gemel")
def root() -> None:
    """A digital twin of a person from what they wrote, and how alike it is.

    Everything happens on this machine, in the folder given by --twin (default: ./mytwin).
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line; exits with the documented codes."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = root.main(args=args, prog_name="gemel", standalone_mode=False)
    except GemelError as error:
        _say(error.message, error.hint)
        sys.exit(error.exit_code)
    except click.Abort:
        _say("stopped", "")
        sys.exit(130)
    except KeyboardInterrupt:
        _say("stopped", "")
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _say(message: str, hint: str) -> None:
    click.secho(f"gemel: {message}", fg="red", err=True)
    if hint:
        click.echo(f"  {hint}", err=True)
