/** What the extension remembers: where its server is, who answers, and the talks held in the panel. */

import type { Source } from "./client";

export interface Settings {
  /** Address without a trailing slash, e.g. http://127.0.0.1:8484 */
  server: string;
  token: string;
  /** Model id; empty takes the server's voice, else its first model. */
  model: string;
}

export interface Line {
  role: "user" | "assistant";
  /** Empty: a passage of a page, which is not kept. */
  text: string;
  /** The text is a page's, not typed. */
  page?: boolean;
  sources?: Source[];
}

export interface Talk {
  id: string;
  title: string;
  changed: number;
  lines: Line[];
}

/** What a gesture outside the panel asked for; read once by the panel. */
export interface Intent {
  /** ask: typed by the owner; passage: marked on the page; reply: drafts for the text box. */
  kind: "ask" | "passage" | "reply";
  tab: number;
  text: string;
  at: number;
}

export const DEFAULTS: Settings = { server: "http://127.0.0.1:8484", token: "", model: "" };
const KEPT = 50;
const FRESH = 60_000; // ms after which a gesture that no panel answered is forgotten

export async function settings(): Promise<Settings> {
  const held = await browser.storage.local.get("settings");
  return { ...DEFAULTS, ...(held.settings as Partial<Settings> | undefined) };
}

export async function save(changed: Partial<Settings>): Promise<Settings> {
  const next = { ...(await settings()), ...changed };
  await browser.storage.local.set({ settings: next });
  return next;
}

/** The latest first. Only what was typed and answered in the panel is kept, never the text of a page. */
export async function talks(): Promise<Talk[]> {
  const held = await browser.storage.local.get("talks");
  return (held.talks as Talk[] | undefined) ?? [];
}

export async function keepTalk(talk: Talk): Promise<void> {
  const others = (await talks()).filter((t) => t.id !== talk.id);
  const kept = { ...talk, lines: talk.lines.map((l) => (l.page ? { ...l, text: "" } : l)) };
  await browser.storage.local.set({ talks: [kept, ...others].slice(0, KEPT) });
}

export async function forgetTalks(): Promise<void> {
  await browser.storage.local.remove("talks");
}

export async function setIntent(intent: Intent): Promise<void> {
  await browser.storage.session.set({ intent });
}

/** The gesture made on `tab`, once; another panel's is left for it, an old one is dropped. */
export async function takeIntent(tab: number | undefined): Promise<Intent | undefined> {
  const intent = (await browser.storage.session.get("intent")).intent as Intent | undefined;
  if (!intent || intent.tab !== tab) return undefined;
  await browser.storage.session.remove("intent");
  return Date.now() - intent.at < FRESH ? intent : undefined;
}
