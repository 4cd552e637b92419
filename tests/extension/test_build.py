"""The zip is the same bytes wherever and whenever it is built; what it holds; its icons are the drawing."""

from __future__ import annotations

import hashlib
import io
import runpy
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
WEB = Path(__file__).parents[2] / "web"
LEFT = shutil.ignore_patterns("node_modules", ".output", ".wxt", "__pycache__")


def built(folder: Path) -> bytes:
    """The zip as built from a copy of the sources in `folder`."""
    if not (WEB / "extension" / "node_modules").is_dir() or shutil.which("npm") is None:
        pytest.skip("Node's packages are not there: run make extension")
    shutil.copytree(WEB / "extension", folder / "extension", ignore=LEFT)
    shutil.copytree(WEB / "client", folder / "client", ignore=LEFT)
    (folder / "extension" / "node_modules").symlink_to(WEB / "extension" / "node_modules")
    done = subprocess.run(["npm", "run", "zip"], cwd=folder / "extension", capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:].decode() + done.stderr[-2000:].decode()
    return (folder / "extension" / ".output" / "gemel-extension.zip").read_bytes()


def test_two_builds_in_two_places_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = built(tmp_path / "here"), built(tmp_path / "a longer place")
    assert hashlib.sha256(first).hexdigest() == hashlib.sha256(second).hexdigest()
    with zipfile.ZipFile(io.BytesIO(first)) as held:
        assert held.testzip() is None
        names = held.namelist()
        assert names == sorted(names)
        assert {"manifest.json", "background.js", "panel.html", "options.html", "page.js"} <= set(names)
        assert not any(str(tmp_path).encode() in held.read(name) for name in names)
        assert {info.date_time for info in held.infolist()} == {(2026, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("size", [16, 32, 48, 128])
def test_icons_are_the_drawing(size: int) -> None:
    """Other versions of Chromium smooth edges a little differently: the mean of the difference is bounded."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    numpy = pytest.importorskip("numpy")
    pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if shutil.which("chromium") is None:
        pytest.skip("there is no Chromium on this machine")
    draw = runpy.run_path(str(WEB / "extension" / "scripts" / "icons.py"))["draw"]
    fresh = image.open(io.BytesIO(draw((WEB / "extension" / "icon.svg").read_text(encoding="utf-8"), size)))
    held = image.open(WEB / "extension" / "public" / "icon" / f"{size}.png")
    assert held.size == fresh.size == (size, size)
    gap = numpy.abs(numpy.asarray(held.convert("RGBA"), float) - numpy.asarray(fresh.convert("RGBA"), float))
    assert gap.mean() < 4
