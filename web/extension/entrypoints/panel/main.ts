/**
 * The side panel: talk to the twin about the page, and have replies drafted.
 *
 * Streams run here and not in the worker, so that the worker's sleep cuts none short.
 */
import type { Seen } from "../page";
import { ask, type Answer, type Source, Trouble, twin, type Twin } from "../../src/client";
import { dataOf } from "../../src/drafts";
import { by, made, trouble } from "../../src/dom";
import { allow, beside, Closed, look } from "../../src/page";
import { type Line, keepTalk, settings, takeIntent, type Talk, talks } from "../../src/settings";
import { cleaned } from "../../src/visible";
import { Drafting } from "./drafting";

const question = by<HTMLTextAreaElement>("question");
const log = by("log");
const PAIRING = ["unpaired", "off", "forbidden"]; // what the options may mend
const WAIT = 1500; // ms without an answer from the server after which its model is said to load

let running: AbortController | null = null;
let answering: Promise<void> = Promise.resolve();
let talk = fresh();
const drafting = new Drafting({ connect, look: pageNow, fail });

function fresh(): Talk {
  return { id: crypto.randomUUID(), title: "", changed: Date.now(), lines: [] };
}

/** Who answers; says that the model loads while the server takes its time. */
async function connect(): Promise<Twin> {
  const slow = setTimeout(
    () => trouble({ kind: "loading", message: "The model is loading.", hint: "The first answer takes a moment longer." }),
    WAIT,
  );
  try {
    const who = await twin(await settings());
    by("who").textContent = who.disclosure;
    trouble();
    return who;
  } finally {
    clearTimeout(slow);
  }
}

async function pageNow(): Promise<Seen> {
  const tab = await beside();
  if (tab === undefined) throw new Closed();
  const seen = await look(tab);
  const part = seen.selection ? "the selection" : seen.thread.length ? `${seen.thread.length} messages` : "its visible text";
  by("place").textContent = `${seen.title || "This page"}${seen.site ? ` (${seen.site})` : ""}: ${part}`;
  return seen;
}

/** Say what went wrong and what to do; `again` does what failed once more. */
function fail(error: unknown, again: () => Promise<void>): void {
  if (error instanceof Closed) {
    const hint = "Allow the site, or click gemel’s button while you look at it.";
    trouble({ kind: "closed", message: "This page may not be read.", hint }, button("Allow on this site", allowSite));
    return;
  }
  if (!(error instanceof Trouble)) throw error;
  const options = button("Options", () => browser.runtime.openOptionsPage());
  const retry = button("Try again", () => {
    trouble();
    return again();
  });
  trouble(error, ...(PAIRING.includes(error.kind) ? [options] : []), ...(error.kind === "unpaired" ? [] : [retry]));
}

function button(label: string, act: () => Promise<void>): HTMLElement {
  const element = made("button", { type: "button" }, label);
  element.addEventListener("click", () => void act());
  return element;
}

async function allowSite(): Promise<void> {
  const tab = await beside();
  if (tab !== undefined && (await allow(tab))) trouble();
}

function send(line: Line): void {
  if (running || !line.text.trim()) return;
  add(line);
  answering = answer();
}

/** Answer the talk as it stands. */
async function answer(): Promise<void> {
  const on = talk;
  running = new AbortController();
  busy(true);
  const bubble = show({ role: "assistant", text: "" });
  try {
    const who = await connect();
    const seen = by<HTMLInputElement>("with").checked ? await pageNow().catch(() => null) : null;
    const turns = talk.lines.filter((l) => l.text).slice(-13).map((l) => ({ role: l.role, content: l.text }));
    const messages = [...(seen ? [dataOf(seen)] : []), ...turns];
    const whole = await ask(await settings(), who, { messages }, (t) => (bubble.textContent = t), running.signal);
    finish(on, bubble, whole, running.signal.aborted);
  } catch (error) {
    bubble.remove();
    fail(error, answer);
  } finally {
    running = null;
    busy(false);
  }
}

function finish(on: Talk, bubble: HTMLElement, answer: Answer, stopped: boolean): void {
  if (!answer.text && stopped) {
    bubble.remove();
    return;
  }
  bubble.textContent = answer.text;
  bubble.dataset.done = stopped ? "stopped" : "done";
  on.lines.push({ role: "assistant", text: answer.text, ...(answer.sources.length ? { sources: answer.sources } : {}) });
  void keep(on);
  cite(bubble, answer.sources);
}

function cite(bubble: HTMLElement, sources: Source[]): void {
  if (!sources.length) return;
  const rows = sources.map((s) => made("li", {}, s.quote + (s.title ? ` (${s.title})` : "")));
  bubble.after(made("details", {}, made("summary", {}, `Sources (${rows.length})`), made("ul", {}, ...rows)));
}

function add(line: Line): void {
  talk.lines.push(line);
  talk.title ||= line.page ? "What would I say to this?" : line.text.slice(0, 60);
  show(line);
  void keep(talk);
}

function show(line: Line): HTMLElement {
  const kept = line.page && !line.text ? "(a passage of a page, which is not kept)" : line.text;
  const bubble = made("div", { class: `said ${line.role}${line.page ? " page" : ""}` }, kept);
  log.append(bubble);
  cite(bubble, line.sources ?? []);
  bubble.scrollIntoView({ block: "end" });
  return bubble;
}

async function keep(on: Talk): Promise<void> {
  on.changed = Date.now();
  await keepTalk(on);
}

function busy(is: boolean): void {
  by("send").hidden = is;
  by("stop").hidden = !is;
}

function begin(next: Talk): void {
  running?.abort();
  talk = next;
  log.replaceChildren();
  talk.lines.forEach(show);
}

async function history(): Promise<void> {
  const place = by("talks");
  const opened = place.hidden;
  place.hidden = !opened;
  by("history").setAttribute("aria-expanded", String(opened));
  const rows = (await talks()).map((held) =>
    button(held.title || "…", async () => {
      begin(held);
      place.hidden = true;
    }),
  );
  place.replaceChildren(...(rows.length ? rows : [made("p", {}, "Nothing yet.")]));
}

/** What a gesture outside the panel asked for. */
async function intent(): Promise<void> {
  const wanted = await takeIntent(await beside());
  if (!wanted) return;
  if (wanted.kind === "reply") return drafting.begin();
  running?.abort();
  await answering;
  if (wanted.kind === "ask") send({ role: "user", text: wanted.text });
  else await passage(wanted.text);
}

/** Ask about what can be seen of a marked passage. What was copied unseen is shown first, and asked by its owner only. */
async function passage(copied: string): Promise<void> {
  const seen = await pageNow().catch(() => null);
  if (seen?.selection) {
    send({ role: "user", text: seen.selection, page: true });
    return;
  }
  question.value = cleaned(copied).slice(0, 4000);
  question.focus();
  const hint = "Read below what the browser copied. “Ask” sends it.";
  trouble({ kind: "closed", message: "What you marked could not be seen on the page.", hint });
}

by("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = question.value;
  question.value = "";
  send({ role: "user", text });
});
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  by<HTMLFormElement>("form").requestSubmit();
});
by("stop").addEventListener("click", () => running?.abort());
by("new").addEventListener("click", () => begin(fresh()));
by("history").addEventListener("click", () => void history());
by("options").addEventListener("click", () => void browser.runtime.openOptionsPage());
by("reply").addEventListener("click", () => void drafting.begin());
browser.storage.session.onChanged.addListener((changes) => {
  if (changes.intent?.newValue) void intent();
});
browser.storage.local.onChanged.addListener((changes) => {
  if (changes.settings) void begun(); // paired, or another server
});

async function begun(): Promise<void> {
  await connect().catch((error: unknown) => fail(error, begun));
  await intent();
}
void begun();
