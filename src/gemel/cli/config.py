"""`gemel config`: what is set, and where it comes from."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gemel.cli.output import twin_option


@click.command()
@click.option("--write", is_flag=True, help="Write gemel.toml with every key and its meaning, if there is none.")
@twin_option
def command(twin: Path, write: bool) -> None:
    """Show the configuration of this twin, every key with its meaning."""
    from gemel.config import Config, Section
    from gemel.errors import ConfigError
    from gemel.workspace import Workspace, atomic

    workspace = Workspace(twin)
    config = workspace.config()
    lines = [f'scale = "{config.scale}"', f'name = "{config.name}"']
    for name, info in Config.model_fields.items():
        section = getattr(config, name)
        if not isinstance(section, Section):
            continue
        lines += ["", f"# {(type(section).__doc__ or '').strip()}", f"[{info.alias or name}]"]
        for key, field in type(section).model_fields.items():
            mark = "" if key in section.model_fields_set and getattr(section, key) is not None else "# "
            lines += [
                f"# {' '.join((field.description or '').split())}",
                f"{mark}{key} = {_toml(getattr(section, key))}",
            ]
    text = "\n".join(lines) + "\n"
    if not write:
        click.echo(text, nl=False)
        return
    if workspace.config_path.exists():
        raise ConfigError(f"{workspace.config_path} is already there", hint="Edit it, or remove it first.")
    workspace.prepare()
    with atomic(workspace.config_path) as path:
        path.write_text(text, encoding="utf-8")
    click.echo(f"wrote {workspace.config_path}")


def _toml(value: object) -> str:
    if value is None:
        return "…  (decided by looking)"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)
