"""The command line: quick, lazy, and every error an exit code."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gemel import cli
from gemel.errors import DataError

ROOT = Path(__file__).parents[2]


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "gemel", *args], capture_output=True, text=True, check=False)


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom gemel.cli import root\nfrom click.testing import CliRunner\n"
        "assert CliRunner().invoke(root, ['--help']).exit_code == 0\n"
        "heavy = set('torch transformers polars pyarrow fastapi pydantic numpy rich'.split()) & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    best = min(_timed(code) for _ in range(3))
    assert best < 1.0  # 0.3 s on a quiet machine; the bound leaves room for a busy one


def _timed(code: str) -> float:
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - start


def test_every_module_is_a_command_with_help() -> None:
    context = click.Context(cli.root)
    names = cli.root.list_commands(context)
    assert names
    for name in names:
        command = cli.root.get_command(context, name)
        assert command is not None, name
        assert command.get_short_help_str(), name


def test_unknown_command_exits_2() -> None:
    done = run("nonsense")
    assert done.returncode == 2
    assert "No such command" in done.stderr


def test_errors_become_exit_codes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def fails() -> None:
        raise DataError("the file is empty", hint="Export it again.")

    monkeypatch.setattr(cli, "root", fails)
    with pytest.raises(SystemExit) as caught:
        cli.main([])
    assert caught.value.code == 3
    assert capsys.readouterr().err == "gemel: the file is empty\n  Export it again.\n"


def test_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "root", interrupted)
    with pytest.raises(SystemExit) as caught:
        cli.main([])
    assert caught.value.code == 130


def test_the_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "make_reference.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_version() -> None:
    result = CliRunner().invoke(cli.root, ["--version"])
    assert result.output.startswith("gemel, version")
