"""`gemel config`: what is set, and where it comes from."""

from __future__ import annotations

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
    from gemel.pipeline.settings import toml_value
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
            value = getattr(section, key)
            shown = "…  (decided by looking)" if value is None else toml_value(value)
            mark = "" if key in section.model_fields_set and value is not None else "# "
            lines += [
                f"# {' '.join((field.description or '').split())}",
                f"{mark}{key} = {shown}",
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
