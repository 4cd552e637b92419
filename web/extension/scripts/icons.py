"""Draw icon.svg at the sizes that Chrome asks for, into public/icon/: `python scripts/icons.py`.

Needs Playwright and a Chromium; the pictures are committed, so that a build needs neither.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parents[1]
SIZES = (16, 32, 48, 128)


def draw(svg: str, size: int) -> bytes:
    """The picture as PNG, `size` pixels wide and high, on a transparent ground."""
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": size, "height": size})
        page.set_content(
            f"<style>html,body{{margin:0}}svg{{display:block;width:{size}px;height:{size}px}}</style>{svg}"
        )
        picture = page.screenshot(omit_background=True)
        browser.close()
    return picture


if __name__ == "__main__":
    for size in SIZES:
        target = HERE / "public" / "icon" / f"{size}.png"
        target.write_bytes(draw((HERE / "icon.svg").read_text(encoding="utf-8"), size))
        print(target.relative_to(HERE))
