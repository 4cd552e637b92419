"""The plain page in a real browser: pairing, an answer, judgement, and nothing that its policy forbids."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gemel.serve.app import STATIC, create_app
from tests.serve.live import live_server
from tests.twins import twin_config, twin_workspace

CHROMIUM = shutil.which("chromium")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_pair_talk_and_judge(tmp_path: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    app = create_app(twin_workspace(tmp_path), twin_config(tmp_path), folder=STATIC)
    app.state.house.twin()
    reports: list[str] = []
    with live_server(app) as base, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("console", lambda message: reports.append(message.text))
        page.on("pageerror", lambda error: reports.append(str(error)))
        page.goto(f"{base}/#pair={app.state.devices.code()}")
        expect(page.locator("#disclosure")).to_have_text("AI imitation of Thomas", timeout=30_000)
        assert page.url == f"{base}/"  # the code does not stay in the address
        page.fill("#text", "what is the dog called?")
        page.press("#text", "Enter")
        judge = page.locator(".tools").get_by_text("sounds like me")
        expect(judge).to_be_visible(timeout=30_000)
        judge.click()
        expect(page.locator('.tools [aria-pressed="true"]')).to_have_text("sounds like me")
        page.reload()
        expect(page.locator("#compose")).to_be_visible(timeout=30_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        browser.close()
        assert app.state.house.feedback.counts() | {"votes": 0} == {
            "conversations": 1,
            "messages": 2,
            "ratings": 1,
            "edits": 0,
            "rules": 0,
            "votes": 0,
        }
    assert reports == []
