/**
 * The side panel: talk to the twin about the page, and have replies drafted.
 *
 * Streams run here and not in the worker, so that the worker's sleep cuts none short.
 */
import type { Seen } from "../page";
import { ask, type Answer, Trouble, twin, type Twin } from "../../src/client";
import { dataOf } from "../../src/drafts";
import { by, made, trouble } from "../../src/dom";
import { allow, beside, Closed, look } from "../../src/page";
import { type Line, keepTalk, settings, takeIntent, type Talk, talks } from "../../src/settings";
import { Drafting } from "./drafting";

const question = by<HTMLTextAreaElement>("question");
const log = by("log");
const WAIT = 1500; // ms without an answer from the server after which its model is said to load

let running: AbortController | null = null;
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

function fail(error: unknown): void {
  if (error instanceof Closed) {
    const button = made("button", { type: "button" }, "Allow on this site");
    button.addEventListener("click", () => void allowSite());
    trouble({ kind: "closed", message: "This page may not be read.", hint: "Allow the site, or press Alt+Shift+T on it. " }, button);
    return;
  }
  if (!(error instanceof Trouble)) throw error;
  const button = made("button", { type: "button" }, "Options");
  button.addEventListener("click", () => void browser.runtime.openOptionsPage());
  trouble(error, ["unpaired", "off", "forbidden"].includes(error.kind) ? button : undefined);
}

async function allowSite(): Promise<void> {
  const tab = await beside();
  if (tab !== undefined && (await allow(tab))) trouble();
}

async function send(text: string): Promise<void> {
  if (running || !text.trim()) return;
  running = new AbortController();
  busy(true);
  const earlier = talk.lines.slice(-12);
  add({ role: "user", text });
  const bubble = show({ role: "assistant", text: "" });
  try {
    const who = await connect();
    const seen = by<HTMLInputElement>("with").checked ? await pageNow().catch(() => null) : null;
    const turns = [...earlier, { role: "user" as const, text }].map((l) => ({ role: l.role, content: l.text }));
    const messages = [...(seen ? [dataOf(seen)] : []), ...turns];
    const answer = await ask(await settings(), who, { messages }, (t) => (bubble.textContent = t), running.signal);
    finish(bubble, answer, running.signal.aborted);
  } catch (error) {
    bubble.remove();
    fail(error);
  } finally {
    running = null;
    busy(false);
  }
}

function finish(bubble: HTMLElement, answer: Answer, stopped: boolean): void {
  if (!answer.text && stopped) {
    bubble.remove();
    return;
  }
  bubble.textContent = answer.text;
  bubble.dataset.done = stopped ? "stopped" : "done";
  talk.lines.push({ role: "assistant", text: answer.text });
  void keep();
  if (!answer.sources.length) return;
  const rows = answer.sources.map((s) => made("li", {}, s.quote + (s.title ? ` (${s.title})` : "")));
  bubble.after(made("details", {}, made("summary", {}, `Sources (${rows.length})`), made("ul", {}, ...rows)));
}

function add(line: Line): void {
  talk.lines.push(line);
  talk.title ||= line.text.slice(0, 60);
  show(line);
  void keep();
}

function show(line: Line): HTMLElement {
  const bubble = made("div", { class: `said ${line.role}` }, line.text);
  log.append(bubble);
  bubble.scrollIntoView({ block: "end" });
  return bubble;
}

async function keep(): Promise<void> {
  talk.changed = Date.now();
  await keepTalk(talk);
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
  const rows = (await talks()).map((held) => {
    const row = made("button", { type: "button" }, held.title || "…");
    row.addEventListener("click", () => {
      begin(held);
      place.hidden = true;
    });
    return row;
  });
  place.replaceChildren(...(rows.length ? rows : [made("p", {}, "Nothing yet.")]));
}

/** What a gesture outside the panel asked for. */
async function intent(): Promise<void> {
  const wanted = await takeIntent();
  if (!wanted) return;
  if (wanted.kind === "reply") await drafting.begin();
  else if (wanted.text) await send(wanted.text);
}

by("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = question.value;
  question.value = "";
  void send(text);
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

void connect().catch(fail).then(intent);
