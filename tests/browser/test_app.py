"""The page as its owner uses it: from the demo's export to the first talk, a reload, corrections, a phone."""

from __future__ import annotations

import gzip
import re
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from gemel.model.outgoing import Outgoing
from gemel.pipeline.synth_job import Job, save_job, write_rows
from tests.browser.conftest import DEMO, Site

pytestmark = pytest.mark.browser
MOST_JAVASCRIPT = 250_000
"""Bytes that a first visit may load, compressed."""
ANSWERED = "[data-role=assistant][aria-busy=false]"
SCREENS = ("chat", "train", "likeness", "traits", "compare", "synth", "monitor", "privacy", "welcome")


@pytest.fixture(name="talk", scope="module")
def _talk(site: Site) -> Any:
    """The whole way from an export to a chat, with a reload in the middle of the training."""
    page = site.open()
    site.inspect(page, "bringing an export")
    page.locator("input[type=file]").set_input_files(DEMO)
    page.get_by_role("button", name="Read them").click()
    page.get_by_label("Higgins", exact=True).check(timeout=60_000)
    site.inspect(page, "which one is you")
    page.get_by_role("button", name="That is me").click()
    page.get_by_role("heading", name="Chat by chat").wait_for(timeout=60_000)
    page.get_by_text("messages are yours").first.wait_for(timeout=60_000)
    page.get_by_text("Before and after").first.click()
    assert page.locator("li.sheet s").first.inner_text()
    site.inspect(page, "chat by chat")
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("recommended here").wait_for(timeout=120_000)
    page.get_by_label("Minutes to train").fill("0.2")
    page.get_by_text("about 12 seconds").wait_for()
    site.inspect(page, "what it takes")
    page.get_by_role("button", name="Train", exact=True).click()
    page.locator("[aria-current=step]", has_text="Train the voice").wait_for(timeout=400_000)
    page.reload()
    page.locator("section [aria-current=step]").wait_for(timeout=60_000)
    site.inspect(page, "training")
    page.get_by_role("button", name="Talk to it").click(timeout=400_000)
    page.wait_for_selector("#write", timeout=60_000)
    return page


def _say(page: Any, text: str) -> None:
    page.fill("#write", text)
    page.keyboard.press("Enter")
    page.wait_for_selector(ANSWERED, timeout=60_000)


@pytest.mark.timeout(1000)
def test_an_export_becomes_a_talk_and_a_correction_is_kept(site: Site, talk: Any) -> None:
    assert talk.get_by_test_id("disclosure").inner_text().startswith("AI imitation of")
    _say(talk, "Where is Eliza?")
    talk.get_by_role("button", name="What I'd have said").click()
    site.inspect(talk, "correcting an answer")
    talk.locator("textarea[name=better]").fill("How the devil should I know?")
    talk.get_by_role("button", name="Save").click()
    talk.get_by_text("Kept for the next training").wait_for()
    talk.get_by_role("button", name="Sounds like me").click()
    talk.locator("[aria-pressed=true]").wait_for()
    headers = {"authorization": f"Bearer {site.token}"}
    (kept,) = talk.request.get(f"{site.base}/api/conversations", headers=headers).json()
    said = talk.request.get(f"{site.base}/api/conversations/{kept['id']}/messages", headers=headers).json()
    assert [s["role"] for s in said] == ["other", "me"]
    assert said[1]["edit"] == ["How the devil should I know?"]
    assert said[1]["rating"] == 1


def test_an_edited_question_is_a_branch_that_outlives_a_reload(talk: Any) -> None:
    talk.locator("[data-role=user]").get_by_role("button", name="Edit").click()
    editor = talk.get_by_label("Edit", exact=True)
    editor.fill("Where are my slippers?")
    talk.locator("form", has=editor).get_by_role("button", name="Send").click()
    talk.locator("[data-role=user]", has_text="2/2").wait_for(timeout=60_000)
    talk.wait_for_selector(ANSWERED, timeout=60_000)
    talk.get_by_role("button", name="Again").click()
    talk.locator("[data-role=assistant]", has_text="2/2").wait_for(timeout=60_000)
    talk.reload()
    talk.get_by_role("complementary").get_by_role("button", name="Where is Eliza?").first.click(timeout=60_000)
    talk.locator("[data-role=user]", has_text="slippers").wait_for(timeout=60_000)
    talk.locator("[data-role=user]").get_by_role("button", name="Previous version").click()
    talk.locator("[data-role=user]", has_text="Eliza").wait_for()
    talk.get_by_label("Search talks").fill("my SLIPPERS")
    talk.get_by_role("complementary").get_by_role("listitem").get_by_text("Where is Eliza?").wait_for()
    talk.get_by_label("Search talks").fill("nobody said this")
    talk.get_by_text("Nothing like that was said").wait_for()
    talk.get_by_label("Search talks").fill("")


def test_an_answer_stops_where_it_is_and_frees_the_server(
    site: Site, talk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is slowed down, so that there is something to stop."""
    pieces = Outgoing.pieces

    def slowly(self: Outgoing, given: Any) -> Iterator[Any]:
        for piece in pieces(self, given):
            time.sleep(0.3)
            yield piece

    monkeypatch.setattr(Outgoing, "pieces", slowly)
    talk.get_by_role("button", name="New talk").click()
    talk.locator("summary[aria-label^='Who answers']").click()
    talk.get_by_label("Answers by").select_option(label="the voice alone")
    site.inspect(talk, "who answers")
    talk.keyboard.press("Escape")
    talk.fill("#write", "Tell me all about the garden party, at length.")
    talk.keyboard.press("Enter")
    talk.locator("[data-role=assistant] p.w-fit", has_text=re.compile(r"\w{2}")).first.wait_for(timeout=60_000)
    talk.keyboard.press("Escape")
    talk.wait_for_selector(ANSWERED)
    stopped = talk.locator("[data-role=assistant] p.w-fit").all_inner_texts()
    assert any(stopped)
    for _ in range(100):
        if not site.app.state.house.busy:
            break
        talk.wait_for_timeout(100)
    assert site.app.state.house.busy == 0
    assert talk.locator("[data-role=assistant] p.w-fit").all_inner_texts() == stopped


def test_why_is_told_word_by_word(site: Site, talk: Any) -> None:
    _say(talk, "How is Mrs. Pearce?")
    talk.get_by_role("button", name="Why?").last.click()
    talk.get_by_text("nats in all").wait_for(timeout=60_000)
    site.inspect(talk, "why")
    talk.get_by_role("button", name="Close").last.click()
    talk.locator("dialog[open]").wait_for(state="detached")


def test_an_answer_can_be_stopped(talk: Any) -> None:
    """The request is held back in the browser, so that there is something to stop."""
    talk.route("**/v1/chat/completions", lambda route: None)
    talk.get_by_role("button", name="New talk").click()
    talk.fill("#write", "Tell me everything.")
    talk.keyboard.press("Enter")
    talk.get_by_role("button", name="Stop").click()
    talk.get_by_role("button", name="Send").wait_for()
    assert talk.locator("[data-role=user]").count() == 1
    talk.unroute("**/v1/chat/completions")


def test_an_upload_tells_how_much_has_arrived(site: Site, talk: Any) -> None:
    """The network is slowed down by the browser, so that there is something to see."""
    page = site.open("#/welcome")
    page.locator("input[type=file]").wait_for(state="attached")
    network = site.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 400_000}
    network.send("Network.emulateNetworkConditions", slow)
    page.locator("input[type=file]").set_input_files(
        {"name": "big.txt", "mimeType": "text/plain", "buffer": b"x" * 900_000}
    )
    arriving = page.get_by_role("progressbar", name="big.txt")
    arriving.wait_for()
    seen: set[float] = set()
    while arriving.count():
        seen.update(page.evaluate("[...document.querySelectorAll('progress')].map((p) => p.value)"))
        page.wait_for_timeout(100)
    assert any(0.05 < share < 0.95 for share in seen)
    page.get_by_role("button", name="Remove: big.txt").click(timeout=60_000)
    page.get_by_text("big.txt").wait_for(state="detached")
    page.close()


def test_a_vote_is_blind_until_it_is_in(site: Site, talk: Any) -> None:
    page = site.open("#/compare")
    page.get_by_role("button", name="Ask", exact=True).click(timeout=60_000)
    page.get_by_role("heading", name="The second").wait_for(timeout=60_000)
    assert page.get_by_role("heading", name="was").count() == 0
    page.get_by_role("button", name="No difference").click()
    page.get_by_text("Your vote is kept").wait_for(timeout=60_000)
    assert page.get_by_role("heading", name="was").count() == 2
    page.get_by_role("meter").first.wait_for()
    page.get_by_text("1 tie").first.wait_for()
    page.close()


def test_everything_about_the_owner_can_be_taken_along(site: Site, talk: Any) -> None:
    page = site.open("#/privacy")
    with page.expect_download(timeout=60_000) as taken:
        page.get_by_role("button", name="Save everything about me").click()
    with zipfile.ZipFile(taken.value.path()) as archive:
        assert "README.txt" in archive.namelist()
    page.close()


def test_what_was_synthesised_can_be_read(site: Site, talk: Any) -> None:
    file = site.workspace.synth("relate")
    file.parent.mkdir()
    people = [
        {"id": "a", "persona": "A tea picker in Assam.", "domain": "tea"},
        {"id": "b", "persona": "Her rival, who sells coffee.", "domain": "coffee", "parent": "a", "relation": "rival"},
    ]
    text = "Tea is hot. It cools."
    claims = [{"claim": "It is hot", "spans": [[0, 11]]}]
    pair = {"id": "q", "question": "Is it hot?", "answer": "Tea is hot.", "text": text, "claims": claims}
    for name, kind, rows in (("qa", "qa", [pair]), ("relate", "relate", people)):
        job = Job(kind=kind, output=str(site.workspace.synth(name)), input="", teachers=())
        write_rows(job.file(), rows)
        save_job(job, {"rows": len(rows)})
    page = site.open("#/synth")
    page.get_by_role("button", name="rival · coffee").press("Enter")
    page.locator("blockquote", has_text="sells coffee").wait_for()
    site.inspect(page, "relations")
    page.get_by_label("Domain").select_option("tea")
    page.get_by_text("1 – 1 / 1").wait_for()
    page.get_by_label("Output").select_option("qa")
    page.get_by_text("The text it comes from").click()
    assert page.locator("mark").inner_text().startswith("Tea is hot.")
    site.inspect(page, "quotations")
    page.close()


@pytest.mark.parametrize("screen", SCREENS)
def test_screens_open_and_are_inspected(site: Site, talk: Any, screen: str) -> None:
    page = site.open("#/" + screen)
    site.inspect(page, screen)
    page.close()


def test_nothing_that_was_shown_is_a_barrier(site: Site, talk: Any) -> None:
    """axe on every screen and every state of the tests before, in both themes; 390 px without sideways scroll."""
    stranger = site.context.browser.new_context(locale="en-GB")
    page = stranger.new_page()
    page.goto(site.base)
    page.get_by_label("Code").wait_for(timeout=60_000)
    site.inspect(page, "pairing")
    stranger.close()
    assert not site.barriers, "\n".join(site.barriers)


def test_the_keyboard_reaches_the_chat(site: Site, talk: Any) -> None:
    page = site.open("#/chat")
    page.keyboard.press("Control+k")
    page.locator("#find:focus").wait_for()
    page.locator("body").press("Tab")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    page.locator("#write:focus").wait_for()
    page.close()


def test_vietnamese_speaks_throughout(site: Site, talk: Any) -> None:
    page = site.open("#/chat")
    page.get_by_role("button", name="Tiếng Việt").first.click()
    page.get_by_role("link", name="Riêng tư").wait_for(timeout=60_000)
    assert page.evaluate("document.documentElement.lang") == "vi"
    page.evaluate("localStorage.removeItem('gemel-language')")
    page.close()


def test_the_content_policy_stopped_nothing(site: Site, talk: Any) -> None:
    """Last in this file: it hears every page of the tests before."""
    assert site.complaints == []


def test_a_first_visit_is_light(chromium: Any, site: Site, talk: Any) -> None:
    """Every script that a browser without a cache fetches until there is a chat to write in."""
    context = chromium.new_context()
    context.add_init_script(f"localStorage.setItem('gemel-token', {site.token!r})")
    page = context.new_page()
    answers: list[Any] = []
    page.on("response", lambda r: answers.append(r))
    page.goto(site.base)
    page.wait_for_selector("#write", timeout=60_000)
    page.wait_for_load_state("networkidle")
    scripts = [len(gzip.compress(a.body())) for a in answers if a.request.resource_type == "script"]
    context.close()
    assert len(scripts) >= 2
    assert sum(scripts) <= MOST_JAVASCRIPT
