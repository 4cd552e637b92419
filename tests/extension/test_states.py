"""What a server may say instead of an answer, and what the panel says to do; tone, recipient, sources, history."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import FastAPI

from gemel.examples import Turn
from gemel.model.memory import Memory
from gemel.speaker import Citation, Reply, Speaker
from tests.extension.conftest import CANARY, Browser
from tests.extension.stub import WORDS, gullible

pytestmark = pytest.mark.browser
sync = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = sync.expect
SLOW = 60_000


class Quoting(Speaker):
    """Answers with what the person said to the same."""

    name = "assisted"

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def reply(self, turns: Sequence[Turn], **_: Any) -> Reply:
        past = self.memory.replies(turns[-1].text, 1)[0]
        cited = Citation(past.record, past.parts[0], past.score, "May")
        return Reply(parts=past.parts, quoted=True, citations=(cited,), speaker=self.name)


def ask(panel: Any, text: str = "hello") -> None:
    panel.uncheck("#with")
    panel.fill("#question", text)
    panel.click("#send")


def done(panel: Any) -> Any:
    return panel.locator(".said.assistant[data-done=done]")


REFUSALS = {
    "loading": ((503, {"message": "Loading model", "code": 503}), "The model is loading"),
    "loading, said by a proxy": ((503, None), "The model is loading"),
    "busy": ((429, {"message": "too many requests are waiting"}), "The twin is busy"),
    "failed": ((500, {"message": "out of memory", "hint": "Take a smaller model."}), "Take a smaller model"),
    "told as a string": ((400, "model not found"), "model not found"),
}


@pytest.mark.parametrize("how", REFUSALS)
def test_a_refused_question_says_what_to_do_and_can_be_asked_again(browser: Browser, how: str) -> None:
    refusal, said = REFUSALS[how]
    with gullible("never", CANARY) as (server, mind):
        browser.configure(server, "key")
        panel = browser.panel()
        expect(panel.locator("#trouble")).to_be_hidden()
        panel.wait_for_function("() => document.querySelector('#who').textContent")
        panel.wait_for_timeout(200)
        mind.refusals = [refusal]
        ask(panel)
        expect(panel.locator("#trouble")).to_contain_text(said)
        panel.click("#trouble >> text=Try again")
        expect(done(panel)).to_contain_text(f"word{WORDS - 1}")
        expect(panel.locator("#trouble")).to_be_hidden()
        expect(panel.locator(".said.user")).to_have_count(1)
        panel.close()


def test_a_server_that_comes_up_later_is_found_again(browser: Browser) -> None:
    with gullible("never", CANARY) as (server, mind):
        mind.refusals = [(503, {"message": "Loading model"})]
        browser.configure(server, "key")
        panel = browser.panel()
        expect(panel.locator("#trouble")).to_have_attribute("data-kind", "loading")
        panel.click("#trouble >> text=Try again")
        expect(panel.locator("#trouble")).to_be_hidden()
        panel.close()


def test_a_server_that_hangs_up_in_the_middle_is_not_taken_for_an_answer(browser: Browser) -> None:
    with gullible("never", CANARY) as (server, mind):
        browser.configure(server, "key")
        mind.hangs_up_after = 5
        panel = browser.panel()
        ask(panel)
        expect(panel.locator("#trouble")).to_contain_text("connection broke")
        expect(panel.locator(".said.assistant")).to_have_count(0)
        mind.hangs_up_after = None
        panel.click("#trouble >> text=Try again")
        expect(done(panel)).to_have_count(1)
        panel.close()


def test_a_server_with_one_place_gives_three_drafts_one_by_one(browser: Browser, pages: str) -> None:
    url = f"{pages}/boxes.html"
    with gullible("never", CANARY, pause=0.01) as (server, mind):
        mind.places = threading.Semaphore(1)
        browser.configure(server, "key")
        page = browser.context.new_page()
        page.goto(url)
        panel = browser.panel(url)
        panel.click("#reply")
        expect(panel.locator("#drafts .insert:enabled")).to_have_count(3)
        expect(panel.locator("#trouble")).to_be_hidden()
        assert len(mind.asked) == 3
        panel.close()
        page.close()


def test_tone_and_recipient_are_asked_for(browser: Browser, pages: str) -> None:
    url = f"{pages}/whatsapp-web.html"
    with gullible("never", CANARY) as (server, mind):
        browser.configure(server, "key")
        page = browser.context.new_page()
        page.goto(url)
        panel = browser.panel(url)
        panel.click("#reply")
        ready = panel.locator("#drafts .insert:enabled")
        expect(ready).to_have_count(3)
        assert [m["role"] for m in mind.asked[0]["messages"]] == ["user", "user"]
        panel.select_option("#tone", "formal")
        expect(ready).to_have_count(3)
        panel.wait_for_function("() => document.querySelectorAll('#drafts .insert:enabled').length === 3")
        system, _data, asked = mind.asked[-1]["messages"]
        assert system == {"role": "system", "content": "Answer in a formal tone."}
        assert asked["name"] == "Mara"
        panel.fill("#recipient", "Ines")
        panel.press("#recipient", "Tab")
        expect(ready).to_have_count(3)
        panel.wait_for_timeout(500)
        assert mind.asked[-1]["messages"][-1]["name"] == "Ines"
        panel.close()
        page.close()


def test_another_talk_is_not_mixed_with_the_one_that_still_answers(browser: Browser) -> None:
    with gullible("never", CANARY, pause=0.05) as (server, _mind):
        browser.configure(server, "key")
        panel = browser.panel()
        ask(panel, "the first")
        expect(panel.locator(".said.assistant")).to_contain_text("word2")
        panel.click("#new")
        expect(panel.locator("#send")).to_be_visible()
        expect(panel.locator(".said")).to_have_count(0)
        ask(panel, "the second")
        expect(done(panel)).to_have_count(1)
        talks = panel.evaluate("() => chrome.storage.local.get('talks')")["talks"]
        assert [t["lines"][0]["text"] for t in talks] == ["the second", "the first"]
        assert [len(t["lines"]) for t in talks] == [2, 2]
        panel.close()


def test_sources_are_shown_and_kept(paired: Browser, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a way that always quotes: the person's own words, and where they are from."""
    twin = app.state.house.twin()
    monkeypatch.setitem(twin.speakers, "assisted", Quoting(twin.memory))
    model = next(m for m, way in app.state.house.model_ids().items() if way == "assisted")
    page = paired.context.new_page()
    page.goto(f"chrome-extension://{paired.id}/options.html")
    expect(page.locator("#choice")).to_be_visible(timeout=SLOW)
    page.select_option("#model", model)
    page.wait_for_function("m => chrome.storage.local.get('settings').then(s => s.settings.model === m)", arg=model)
    page.close()
    panel = paired.panel()
    ask(panel, "what is the dog called?")
    expect(done(panel)).to_have_text("Bruno, he is a lazy beagle", timeout=SLOW)
    sources = panel.locator("#log details")
    sources.locator("summary").click()
    expect(sources.locator("li")).to_contain_text("Bruno, he is a lazy beagle")
    panel.reload()
    panel.click("#history")
    panel.click("#talks button")
    expect(panel.locator("#log details")).to_have_count(1)
    panel.close()


def test_pairing_mends_an_open_panel(browser: Browser, app: FastAPI, server: str) -> None:
    browser.configure(server, "")
    panel = browser.panel()
    expect(panel.locator("#trouble")).to_have_attribute("data-kind", "unpaired")
    options = browser.context.new_page()
    options.goto(f"chrome-extension://{browser.id}/options.html")
    options.fill("#code", f"{server}/#pair={app.state.devices.code()}")
    options.click("#connect")
    expect(options.locator("#state")).to_contain_text("Paired", timeout=SLOW)
    expect(panel.locator("#trouble")).to_be_hidden()
    expect(panel.locator("#who")).to_contain_text("AI imitation of")
    panel.close()
    options.close()
