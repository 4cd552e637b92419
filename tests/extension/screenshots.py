"""`python -m tests.extension.screenshots TWIN [OUT]`: the extension paired with a twin, drafting and talking.

Small PNGs of 64 colours for its README. What it asks is not kept by the twin.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from gemel.serve.app import create_app
from gemel.workspace import Workspace
from tests.extension.conftest import BUILT, Browser, replicas
from tests.serve.live import live_server

OUT = BUILT.parents[1] / "screenshots"
SLOW = 60_000


def _keep(page: Page, path: Path) -> None:
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(64).save(path, optimize=True)


def _take(browser: Browser, app: Any, server: str, pages: str, out: Path) -> None:
    options = browser.context.new_page()
    options.goto(f"chrome-extension://{browser.id}/options.html")
    options.fill("#server", server)
    options.fill("#code", app.state.devices.code())
    options.click("#connect")
    expect(options.locator("body")).to_contain_text("AI imitation of", timeout=SLOW)
    _keep(options, out / "options.png")
    page = browser.context.new_page()
    page.goto(f"{pages}/boxes.html")
    page.focus("#plain")
    panel = browser.panel(f"{pages}/boxes.html")
    panel.click("#reply")
    expect(panel.locator("#drafts .insert:enabled")).to_have_count(3, timeout=SLOW)
    _keep(panel, out / "drafts.png")
    panel.click("#close")
    panel.uncheck("#with")
    panel.fill("#question", "Good evening, Higgins. How is Eliza?")
    panel.press("#question", "Enter")
    expect(panel.locator(".said.assistant[data-done=done]")).to_have_count(1, timeout=SLOW)
    _keep(panel, out / "talk.png")


def main(twin: Path, out: Path) -> None:
    """Take them all."""
    workspace = Workspace(twin)
    app = create_app(workspace, workspace.config())
    with (
        live_server(app) as server,
        replicas() as pages,
        sync_playwright() as play,
        tempfile.TemporaryDirectory() as profile,
    ):
        context = play.chromium.launch_persistent_context(
            profile,
            executable_path=shutil.which("chromium"),
            headless=True,
            args=["--no-sandbox", f"--disable-extensions-except={BUILT}", f"--load-extension={BUILT}"],
            viewport={"width": 420, "height": 760},
        )
        worker = context.service_workers[0] if context.service_workers else context.wait_for_event("serviceworker")
        _take(Browser(context, worker.url.split("/")[2]), app, server, pages, out)
        context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else OUT)
