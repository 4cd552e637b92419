"""Pairing, talking and drafting in Chromium against the real server with the shipped base."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import FastAPI

from tests.extension.conftest import BUILT, Browser

pytestmark = pytest.mark.browser
sync = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = sync.expect
SLOW = 60_000


def ask(panel: Any, text: str) -> None:
    panel.fill("#question", text)
    panel.click("#send")


def test_pair_by_code_then_talk(browser: Browser, app: FastAPI, server: str) -> None:
    browser.configure(server, "")
    options = browser.context.new_page()
    options.goto(f"chrome-extension://{browser.id}/options.html")
    expect(options.locator("#state")).to_contain_text("Not paired yet")
    options.fill("#code", "WRONGONE")
    options.click("#connect")
    expect(options.locator("#trouble")).to_contain_text("wrong, used or too old")
    options.fill("#code", app.state.devices.code())
    options.click("#connect")
    expect(options.locator("#state")).to_contain_text("Paired. AI imitation of", timeout=SLOW)
    stored = options.evaluate("() => chrome.storage.local.get('settings')")["settings"]
    assert app.state.devices.by_token(stored["token"]).scopes == ("chat",)
    panel = browser.panel()
    panel.uncheck("#with")
    ask(panel, "what is the dog called?")
    done = panel.locator(".said.assistant[data-done=done]")
    expect(done).to_have_count(1, timeout=SLOW)
    assert done.inner_text().strip()
    assert "AI imitation of" in panel.locator("#who").inner_text()
    panel.reload()
    panel.click("#history")
    panel.click("#talks button")
    expect(panel.locator(".said.user")).to_have_text("what is the dog called?")
    panel.close()
    options.close()


@pytest.mark.parametrize("box", ["#plain", "#rich"])
def test_a_draft_is_put_in_and_never_sent(paired: Browser, app: FastAPI, pages: str, box: str) -> None:
    url = f"{pages}/boxes.html"
    page = paired.context.new_page()
    page.goto(url)
    page.focus(box)
    panel = paired.panel(url)
    panel.click("#reply")
    first = panel.locator("#drafts li").nth(0)
    expect(panel.locator("#drafts .insert:enabled")).to_have_count(3, timeout=SLOW)
    drafts = panel.locator("#drafts textarea").evaluate_all("all => all.map(t => t.value)")
    assert len(set(drafts)) == 3
    first.locator("textarea").fill("I would love to,\nbut not on Saturday")
    first.locator("button").click()
    expect(panel.locator("#told")).to_contain_text("Your version was kept")
    written = page.evaluate("b => document.querySelector(b).value ?? document.querySelector(b).innerText", box)
    assert written.split() == ["I", "would", "love", "to,", "but", "not", "on", "Saturday"]
    assert page.evaluate("[window.sent, window.keys]") == [0, 0]
    assert page.evaluate("window.inputs") > 0
    edit = app.state.house.feedback.edits()[-1]
    assert edit.said == tuple(line for line in drafts[0].split("\n") if line.strip())
    assert edit.better == ("I would love to,", "but not on Saturday")
    panel.close()
    page.close()


def test_what_was_changed_in_the_page_is_learned_when_asked(paired: Browser, app: FastAPI, pages: str) -> None:
    url = f"{pages}/boxes.html"
    page = paired.context.new_page()
    page.goto(url)
    page.focus("#plain")
    panel = paired.panel(url)
    panel.click("#reply")
    expect(panel.locator("#drafts .insert:enabled")).to_have_count(3, timeout=SLOW)
    panel.locator("#drafts .insert").nth(1).click()
    expect(panel.locator("#learn")).to_be_visible()
    before = app.state.house.feedback.counts()["edits"]
    page.fill("#plain", "rather on Sunday")
    panel.click("#learn")
    expect(panel.locator("#told")).to_contain_text("Your version was kept")
    assert app.state.house.feedback.counts()["edits"] == before + 1
    assert app.state.house.feedback.edits()[-1].better == ("rather on Sunday",)
    panel.close()
    page.close()


def test_stop_frees_the_server(paired: Browser, app: FastAPI) -> None:
    panel = paired.panel()
    panel.uncheck("#with")
    for _ in range(3):
        ask(panel, "tell me everything about the summer, at length")
        panel.wait_for_timeout(150)
        panel.evaluate("() => document.getElementById('stop').click()")  # shown or not: the answer may be over
        expect(panel.locator("#send")).to_be_visible()
    for _ in range(100):
        panel.wait_for_timeout(100)
        if not app.state.house.busy:
            break
    assert app.state.house.busy == 0
    panel.close()


def test_the_worker_may_sleep_while_an_answer_streams(paired: Browser) -> None:
    panel = paired.panel()
    panel.uncheck("#with")
    session = paired.context.new_cdp_session(panel)
    session.send("ServiceWorker.enable")
    ask(panel, "where did you spend the summer?")
    session.send("ServiceWorker.stopAllWorkers")
    expect(panel.locator(".said.assistant[data-done=done]")).to_have_count(1, timeout=SLOW)
    panel.close()


def test_a_token_that_was_taken_away_says_what_to_do(browser: Browser, server: str) -> None:
    browser.configure(server, "gemel-nobody")
    panel = browser.panel()
    expect(panel.locator("#trouble")).to_contain_text("not paired")
    expect(panel.locator("#trouble")).to_have_attribute("data-kind", "unpaired")
    expect(panel.locator("#trouble button")).to_have_text("Options")
    panel.close()


def test_a_server_that_is_off_says_what_to_do(browser: Browser) -> None:
    browser.configure("http://127.0.0.1:9", "gemel-any")
    panel = browser.panel()
    expect(panel.locator("#trouble")).to_have_attribute("data-kind", "off")
    expect(panel.locator("#trouble")).to_contain_text("gemel serve")
    panel.close()


def test_what_the_extension_may_do() -> None:
    if not (BUILT / "manifest.json").exists():
        pytest.skip("the extension is not built: run make extension")
    manifest = json.loads((BUILT / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["host_permissions"] == ["http://127.0.0.1/*", "http://localhost/*"]
    assert sorted(manifest["permissions"]) == ["activeTab", "contextMenus", "scripting", "sidePanel", "storage"]
    assert not {"externally_connectable", "web_accessible_resources", "content_scripts"} & set(manifest)
    assert "'unsafe" not in manifest["content_security_policy"]["extension_pages"]
