/** What the extension remembers: where its server is, who answers, and the talks held in the panel. */

export interface Settings {
  /** Address without a trailing slash, e.g. http://127.0.0.1:8484 */
  server: string;
  token: string;
  /** Model id; empty takes the server's voice, else its first model. */
  model: string;
}

export interface Line {
  role: "user" | "assistant";
  text: string;
}

export interface Talk {
  id: string;
  title: string;
  changed: number;
  lines: Line[];
}

/** What a gesture outside the panel asked for; read once by the panel. */
export interface Intent {
  kind: "ask" | "reply";
  tab: number;
  text: string;
  at: number;
}

export const DEFAULTS: Settings = { server: "http://127.0.0.1:8484", token: "", model: "" };
const KEPT = 50;

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
  await browser.storage.local.set({ talks: [talk, ...others].slice(0, KEPT) });
}

export async function forgetTalks(): Promise<void> {
  await browser.storage.local.remove("talks");
}

export async function setIntent(intent: Intent): Promise<void> {
  await browser.storage.session.set({ intent });
}

export async function takeIntent(): Promise<Intent | undefined> {
  const held = await browser.storage.session.get("intent");
  await browser.storage.session.remove("intent");
  return held.intent as Intent | undefined;
}
