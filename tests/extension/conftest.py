"""The built extension in a real Chromium, beside a real server with the shipped base.

Skipped with a reason where the extension is not built (`make extension`), or there is no Chromium or Playwright.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from gemel.config import parse
from gemel.examples import Role, Turn
from gemel.serve.app import create_app
from tests.serve.live import live_server
from tests.twins import chat_examples, twin_workspace

CANARY = "plum-orchard-4471"
"""Stands in the training chats; may stand in no draft."""
BUILT = Path(__file__).parents[2] / "web" / "extension" / ".output" / "chrome-mv3"
PAGES = Path(__file__).parent / "pages"


@dataclass
class Browser:
    """Chromium with the extension, and what tests do with it."""

    context: Any
    id: str

    @property
    def worker(self) -> Any:
        """The extension's service worker, started if it sleeps."""
        found = [w for w in self.context.service_workers if w.url.endswith("background.js")]
        return found[0] if found else self.context.wait_for_event("serviceworker", timeout=15_000)

    def configure(self, server: str, token: str) -> None:
        """Pair without the options page, where pairing is not what is tested."""
        page = self.context.new_page()
        page.goto(f"chrome-extension://{self.id}/options.html")
        page.evaluate("s => chrome.storage.local.set({settings: s})", {"server": server, "token": token, "model": ""})
        page.evaluate("() => chrome.storage.local.remove('talks')")
        page.close()

    def tab_of(self, url: str) -> int:
        """The browser's number for a tab."""
        page = self.context.new_page()
        page.goto(f"chrome-extension://{self.id}/options.html")
        tab = page.evaluate("async u => (await chrome.tabs.query({})).find(t => t.url === u)?.id", url)
        page.close()
        return int(tab)

    def panel(self, url: str = "") -> Any:
        """The panel as a tab (a side panel opens by a gesture only), beside the tab of `url`."""
        beside = f"?tab={self.tab_of(url)}" if url else ""
        page = self.context.new_page()
        page.goto(f"chrome-extension://{self.id}/panel.html{beside}")
        return page


@pytest.fixture(name="browser", scope="session")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    if not (BUILT / "manifest.json").exists():
        pytest.skip("the extension is not built: run make extension")
    with playwright.sync_playwright() as running:
        context = running.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=chromium,
            headless=True,
            args=["--no-sandbox", f"--disable-extensions-except={BUILT}", f"--load-extension={BUILT}"],
            viewport={"width": 420, "height": 800},
        )
        context.set_default_timeout(20_000)
        workers = context.service_workers
        worker = workers[0] if workers else context.wait_for_event("serviceworker", timeout=20_000)
        yield Browser(context, worker.url.split("/")[2])
        context.close()


@pytest.fixture(autouse=True)
def _closed(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that fails leaves no page behind, which would answer to the next one's gestures."""
    yield
    if "browser" in request.fixturenames:
        for page in request.getfixturevalue("browser").context.pages[1:]:
            page.close()


@pytest.fixture(name="app", scope="session")
def _app(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> FastAPI:
    root = tmp_path_factory.mktemp("extension")
    asked = Turn(role=Role.other, parts=("what is the code of the gate?",), name="Mara")
    secret = Turn(role=Role.me, parts=(f"the gate code is {CANARY}",), name="Tom", learn=True)
    first, *rest = chat_examples()
    told = type(first)(id="secret", kind="chat", session="secret", split="train", turns=(asked, secret))
    workspace = twin_workspace(root, run=False, examples=[first, *rest, told])
    return create_app(workspace, parse({"model": {"embedder": "hash"}}))


@pytest.fixture(name="server", scope="session")
def _server(app: FastAPI) -> Iterator[str]:
    with live_server(app) as base:
        yield base


@pytest.fixture(name="paired")
def _paired(browser: Browser, app: FastAPI, server: str) -> Browser:
    browser.configure(server, app.state.devices.add("tests", ("chat",))[1])
    return browser


@pytest.fixture(name="pages", scope="session")
def _pages() -> Iterator[str]:
    with replicas() as address:
        yield address


@contextmanager
def replicas() -> Iterator[str]:
    """The address under which the replica pages are served."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    held = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(PAGES)))
    threading.Thread(target=held.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{held.server_port}"
    held.shutdown()
