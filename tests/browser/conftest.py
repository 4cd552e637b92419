"""Debian's Chromium before the real server with the shipped base. Skipped where the bundle is not built."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from gemel.workspace import Workspace

STATIC = Path(str(files("gemel"))) / "serve" / "static"
DEMO = Path(str(files("gemel"))) / "assets" / "demo" / "pygmalion.zip"
BROWSER = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
AXE = Path(__file__).parents[2] / "web" / "app" / "node_modules" / "axe-core" / "axe.min.js"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = "" if BROWSER else "Chromium is not installed"
    if not (STATIC / "app" / "index.html").exists():
        reason = "the bundle is not built: make web"
    for item in items:
        if item.path.parent == Path(__file__).parent and item.get_closest_marker("browser") and reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@dataclass
class Site:
    """A server, and a browser context that is paired with it."""

    base: str
    token: str
    workspace: Workspace
    context: Any
    app: Any
    complaints: list[str] = field(default_factory=list)
    """What the content policy stopped, and errors no code caught."""
    barriers: list[str] = field(default_factory=list)
    """Serious findings of axe in either theme, and pages wider than a phone."""

    def open(self, route: str = "", *, wait: str = "main h1") -> Any:
        page = self.context.new_page()
        page.on("console", lambda m: self._hear(m.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(f"{self.base}/{route}")
        page.wait_for_selector(wait, timeout=60_000)
        page.wait_for_load_state("networkidle")  # what a screen asks of the server has come
        return page

    def inspect(self, page: Any, where: str) -> None:
        """Look for barriers in what is shown now, in both themes and on a phone."""
        theme = page.evaluate("document.documentElement.dataset.theme")
        for other in ("light", "dark"):
            page.evaluate(f"document.documentElement.dataset.theme = '{other}'")
            self.barriers += [f"{where}, {other}: {found}" for found in serious(page)] if AXE.exists() else []
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        size = page.viewport_size
        page.set_viewport_size({"width": 390, "height": 780})
        if (wide := page.evaluate("document.documentElement.scrollWidth")) > 390:
            self.barriers.append(f"{where}: {wide} px wide on a phone")
        page.set_viewport_size(size)

    def _hear(self, text: str) -> None:
        if "Content Security Policy" in text or "TrustedHTML" in text or "Trusted Type" in text:
            self.complaints.append(text)


@pytest.fixture(name="chromium", scope="session")
def _chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(name="site", scope="module")
def _site(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A new, empty workspace; the tests of a module make its twin in order."""
    from gemel.serve.app import create_app
    from tests.serve.live import live_server

    workspace = Workspace(tmp_path_factory.mktemp("twin"))
    workspace.prepare()
    workspace.config_path.write_text('scale = "tiny"\n[evaluate]\nreplies = 8\n', encoding="utf-8")
    app = create_app(workspace, workspace.config())
    token = app.state.devices.add("browser tests", ("chat", "names", "train", "admin"))[1]
    with live_server(app) as base:
        context = chromium.new_context(locale="en-GB", viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        context.add_init_script(f"localStorage.setItem('gemel-token', {token!r})")
        context.add_init_script(
            "addEventListener('securitypolicyviolation',"
            " (e) => console.error(`Content Security Policy: ${e.violatedDirective} ${e.blockedURI}`))"
        )
        yield Site(base=base, token=token, workspace=workspace, context=context, app=app)
        context.close()


def serious(page: Any) -> list[str]:
    """Findings of axe that are serious or worse; evaluated by the debugger, which no content policy binds."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:160]}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]
