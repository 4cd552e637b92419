"""Write docs/cli.md and docs/configuration.md from the program itself.

    python docs/make_reference.py [--check]

A test runs it with `--check`, so that a command or key that is not in the reference fails the suite.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gemel.cli import root
from gemel.config import DIAL, Config, Section

HERE = Path(__file__).parent
EXIT_CODES = """## Exit codes

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


def commands() -> str:
    """Every command's help, depth first."""
    lines = ["# Command line", "", "Written from `gemel --help` by `make reference`; do not edit.", ""]

    def walk(command: click.Command, context: click.Context, depth: int) -> None:
        title = context.command_path
        lines.extend([f"{'#' * min(depth, 4)} `{title}`", "", "```text", command.get_help(context).rstrip(), "```", ""])
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                if child is not None and not child.hidden:
                    with click.Context(child, info_name=name, parent=context, **child.context_settings) as inner:
                        walk(child, inner, depth + 1)

    with click.Context(root, info_name="gemel", max_content_width=100, terminal_width=100) as context:
        walk(root, context, 2)
    return "\n".join([*lines, EXIT_CODES])


def configuration() -> str:
    """Every section and key with default and meaning, and what the dial sets."""
    lines = ["# gemel.toml", "", "Written from `gemel/config.py` by `make reference`; do not edit.", ""]
    lines += ["| key | default | meaning |", "|---|---|---|"]
    for name, info in Config.model_fields.items():
        if not (isinstance(info.annotation, type) and issubclass(info.annotation, Section)):
            lines.append(f"| `{name}` | `{info.default!r}` | {info.description} |")
    for name, info in Config.model_fields.items():
        section = info.annotation
        if isinstance(section, type) and issubclass(section, Section):
            lines += ["", f"## [{info.alias or name}]", "", (section.__doc__ or "").strip(), ""]
            lines += ["| key | default | meaning |", "|---|---|---|"]
            for key, field in section.model_fields.items():
                default = field.get_default(call_default_factory=True)
                lines.append(f"| `{key}` | `{default!r}` | {field.description or ''} |")
    lines += ["", "## What `scale` sets", "", "| scale | sets |", "|---|---|"]
    for scale, sections in DIAL.items():
        values = ", ".join(f"`{s}.{k} = {v!r}`" for s, keys in sections.items() for k, v in keys.items())
        lines.append(f"| {scale} | {values or 'the defaults'} |")
    return "\n".join([*lines, ""])


def main() -> int:
    """Write both pages, or compare them."""
    pages = {HERE / "cli.md": commands(), HERE / "configuration.md": configuration()}
    stale = [p for p, text in pages.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.name} is not up to date: run `make reference`")
        return 1 if stale else 0
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
