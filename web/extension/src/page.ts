/** The page beside the panel: may it be read, what does it show, put a draft in. */
import type { Seen } from "../entrypoints/page";

export class Closed extends Error {}

/** Read what is visible. Throws `Closed` where the browser gives no access. */
export async function look(tab: number): Promise<Seen> {
  try {
    await browser.scripting.executeScript({ target: { tabId: tab }, files: ["/page.js"] });
    const [found] = await browser.scripting.executeScript({ target: { tabId: tab }, func: () => globalThis.gemelPage?.look() });
    if (found?.result) return found.result;
  } catch {
    // chrome:// pages, the web store, and sites that were not allowed
  }
  throw new Closed();
}

/** Put a draft into the text box, for a real gesture of the owner only. */
export async function insert(gesture: Event, tab: number, text: string): Promise<boolean> {
  if (!gesture.isTrusted) return false;
  const [done] = await browser.scripting.executeScript({
    target: { tabId: tab },
    func: (draft: string) => globalThis.gemelPage?.insert(draft) ?? false,
    args: [text],
  });
  return done?.result ?? false;
}

/** What stands in the text box now. */
export async function written(tab: number): Promise<string> {
  const [found] = await browser.scripting.executeScript({
    target: { tabId: tab },
    func: () => globalThis.gemelPage?.written() ?? "",
  });
  return found?.result ?? "";
}

/** Ask for the site of a tab; inside a gesture. */
export async function allow(tab: number): Promise<boolean> {
  const { url } = await browser.tabs.get(tab);
  const origin = url && /^https?:/.test(url) ? `${new URL(url).origin}/*` : "";
  return browser.permissions.request({ origins: [origin || "https://*/*"] });
}

/** The tab the panel stands beside: named in its address when the panel is a tab itself. */
export async function beside(): Promise<number | undefined> {
  const named = Number(new URLSearchParams(location.search).get("tab"));
  if (named) return named;
  const [tab] = await browser.tabs.query({ active: true, currentWindow: true });
  return tab?.id;
}
