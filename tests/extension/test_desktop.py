"""The gestures themselves: keys, menus and the address bar of a Chromium with windows, and its real side panel.

Needs a screen, which Xvfb lends, and xdotool to press keys outside of pages; skipped with a reason without them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.extension.conftest import BUILT, CANARY, Browser
from tests.extension.stub import Gullible, gullible

pytestmark = pytest.mark.browser
PANELS = "() => chrome.runtime.getContexts({contextTypes: ['SIDE_PANEL']}).then(all => all.length)"
LISTEN = """() => {
  const hear = (e) => (window.corner = [e.screenX - e.clientX, e.screenY - e.clientY]);
  delete window.corner;
  addEventListener("mousemove", hear, { once: true });
}"""
MIDDLE = """s => {
  const r = document.querySelector(s).getBoundingClientRect();
  return [window.corner[0] + r.x + 40, window.corner[1] + r.y + r.height / 2].map(Math.round);
}"""


class Desk:
    """A screen with Chromium on it, and a hand."""

    def __init__(self, browser: Browser, display: str) -> None:
        self.browser = browser
        self.display = display

    def hand(self, *what: object) -> None:
        """Keys and clicks as the person makes them."""
        command = ["xdotool", *map(str, what)]
        subprocess.run(command, env={**os.environ, "DISPLAY": self.display}, check=True, timeout=20)
        time.sleep(0.4)

    def page(self, url: str) -> Any:
        """The first tab, on another page."""
        page = self.browser.context.pages[0]
        page.goto(url)
        page.bring_to_front()
        time.sleep(0.5)
        return page

    def spot(self, page: Any, selector: str) -> list[int]:
        """Where something is on the screen; the mouse itself tells where the page begins, as frames come and go."""
        page.evaluate(LISTEN)
        self.hand("mousemove", 300, 500, "mousemove", 301, 501)
        assert until(lambda: page.evaluate("window.corner !== undefined"))
        place: list[int] = page.evaluate(MIDDLE, selector)
        return place

    def menu(self, page: Any, selector: str) -> None:
        """Right click, and the entry above the last: extensions stand above “Inspect”."""
        self.hand("mousemove", *self.spot(page, selector), "click", 3)
        time.sleep(0.6)
        self.hand("key", "Up", "Up", "Return")


def until(true: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether it becomes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.2)
    return False


@pytest.fixture(name="display", scope="module")
def _display() -> Iterator[str]:
    if missing := [p for p in ("Xvfb", "openbox", "xdotool") if shutil.which(p) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    screen = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as told:
        display = f":{told.readline().strip()}"
    windows = subprocess.Popen(["openbox"], env={**os.environ, "DISPLAY": display}, stderr=subprocess.DEVNULL)
    yield display
    for process in (windows, screen):
        process.terminate()
        process.wait(10)


@pytest.fixture(name="desk")
def _desk(display: str, tmp_path: Path) -> Iterator[Desk]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or not (BUILT / "manifest.json").exists():
        pytest.skip("there is no Chromium, or the extension is not built: run make extension")
    with playwright.sync_playwright() as running:
        context = running.chromium.launch_persistent_context(
            tmp_path,
            executable_path=chromium,
            headless=False,
            env={**os.environ, "DISPLAY": display},
            args=[
                "--no-sandbox",
                f"--disable-extensions-except={BUILT}",
                f"--load-extension={BUILT}",
                "--window-position=0,0",
                "--window-size=1200,850",
            ],
            no_viewport=True,
        )
        workers = context.service_workers
        worker = workers[0] if workers else context.wait_for_event("serviceworker", timeout=20_000)
        yield Desk(Browser(context, worker.url.split("/")[2]), display)
        context.close()


@pytest.fixture(name="mind")
def _mind(desk: Desk) -> Iterator[Gullible]:
    with gullible("never", CANARY) as (server, mind):
        desk.browser.configure(server, "key")
        yield mind


def test_keys_menus_and_the_address_bar_open_the_side_panel(desk: Desk, mind: Gullible, pages: str) -> None:
    """One Chromium for all gestures: starting it costs more than making them."""
    page = desk.page(f"{pages}/boxes.html")
    worker = desk.browser.worker
    assert worker.evaluate(PANELS) == 0
    desk.hand("key", "alt+shift+g")
    assert until(lambda: worker.evaluate(PANELS) == 1), "the button's shortcut opens the side panel"
    assert not mind.asked

    page.click("#plain")
    desk.hand("key", "alt+shift+y")
    assert until(lambda: len(mind.asked) == 3), "Reply as me, by its shortcut"
    assert "come to dinner on Saturday?" in mind.asked[0]["messages"][-1]["content"]

    desk.menu(page, "#plain")
    assert until(lambda: len(mind.asked) == 6), "Reply as me, by the menu of a text box"

    desk.hand("mousemove", *desk.spot(page, "main p"), "click", "--repeat", 3, "--delay", 60, 1)
    desk.menu(page, "main p")
    assert until(lambda: len(mind.asked) == 7), "What would I say to this?, by the menu of a selection"
    assert mind.asked[6]["messages"][-1]["content"] == "Would you come to dinner on Saturday?"

    desk.hand("key", "ctrl+l")
    desk.hand("type", "--delay", 40, "twin ")
    desk.hand("type", "--delay", 40, "where did we eat?")
    desk.hand("key", "Return")
    assert until(lambda: len(mind.asked) == 8), "a question in the address bar"
    assert mind.asked[7]["messages"][-1]["content"] == "where did we eat?"
    assert page.evaluate("[window.sent, document.querySelector('#plain').value]") == [0, ""]
