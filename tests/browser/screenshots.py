"""`python -m tests.browser.screenshots TWIN [OUT]`: every screen of a twin in light, dark and on a phone.

Small PNGs of 64 colours for the documentation. The question it asks stays among the talks of that twin.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from gemel.serve.app import create_app
from gemel.workspace import Workspace
from tests.browser.conftest import BROWSER
from tests.serve.live import live_server

SCREENS = ("chat", "train", "likeness", "traits", "compare", "synth", "monitor", "privacy", "welcome")
LOOKS = {"light": (1280, 800), "dark": (1280, 800), "phone": (390, 780)}


def _look(browser: Any, base: str, token: str, look: str, out: Path) -> None:
    width, height = LOOKS[look]
    theme = "dark" if look == "dark" else "light"
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
    context.add_init_script(f"localStorage['gemel-token'] = {token!r}; localStorage['gemel-theme'] = {theme!r}")
    for screen in SCREENS:
        page = context.new_page()
        page.goto(f"{base}/#/{screen}")
        page.wait_for_selector("main h1", timeout=60_000)
        page.wait_for_load_state("networkidle")
        _use(page, screen)
        page.wait_for_load_state("networkidle")
        image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        image.quantize(64).save(out / f"{screen}-{look}.png", optimize=True)
        page.close()
    context.close()


def _use(page: Any, screen: str) -> None:
    """Ask what makes a screen worth looking at."""
    if screen == "chat":
        page.fill("#write", "Good evening, Higgins. How is Eliza?")
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-role=assistant][aria-busy=false]", timeout=60_000)
    elif screen == "compare" and page.get_by_role("button", name="Ask", exact=True).count():
        page.get_by_role("button", name="Ask", exact=True).click()
        page.get_by_role("heading", name="The second").wait_for(timeout=120_000)
    elif screen == "traits" and page.get_by_role("button", name="Write them").count():
        page.get_by_role("button", name="Write them").click()
        page.get_by_text("words differ from the first").wait_for(timeout=240_000)
        page.get_by_role("heading", name="Essays").scroll_into_view_if_needed()
        page.get_by_text("words differ from the first").scroll_into_view_if_needed()


def main(twin: Path, out: Path) -> None:
    """Take them all."""
    out.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(twin)
    app = create_app(workspace, workspace.config())
    device, token = app.state.devices.add("screenshots", ("chat", "names", "train", "admin"))
    with live_server(app) as base, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        for look in LOOKS:
            _look(browser, base, token, look, out)
        browser.close()
    app.state.devices.revoke(device.id)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "docs/screenshots"))
