/**
 * What the panel does in a page: read what is visible, and put a draft into a text box.
 *
 * Runs in the extension's own world on a gesture in the panel. It listens to nothing, so a page can neither call it
 * nor see it, and it makes no key and no click: a draft that was put in is never sent.
 */
import { type Sign, siteOf, type Site } from "../src/sites";
import { cleaned, visibleText } from "../src/visible";

export interface Seen {
  title: string;
  site: string;
  selection: string;
  /** The thread, oldest first; empty where the site is not known. */
  thread: { author: string; text: string; mine: boolean }[];
  /** Visible text, where there is no thread. */
  text: string;
  box: "text" | "rich" | null;
  /** What stands in the box now. */
  draft: string;
}

declare global {
  var gemelPage: { look(): Seen; insert(text: string): boolean; written(): string } | undefined;
}

type Box = HTMLTextAreaElement | HTMLInputElement | HTMLElement;
const RECENT = 20;
const RICH = '[contenteditable=""], [contenteditable="true"], [contenteditable="plaintext-only"]';

export default defineUnlistedScript(() => {
  let last: Box | null = null;

  function site(): Site | undefined {
    return siteOf(location.hostname, document.documentElement.getAttribute("data-gemel-replica"));
  }

  /** The focused box; else the one used last; else the site's own. */
  function box(): Box | null {
    const focused = deepest(document.activeElement);
    const found = plainBox(focused) ?? focused?.closest<HTMLElement>(RICH) ?? null;
    if (found) return (last = found);
    if (last?.isConnected) return last;
    const own = site()?.editor;
    return (last = own ? document.querySelector<HTMLElement>(own) : null);
  }

  function look(): Seen {
    const found = box();
    const here = site();
    const thread = here ? messages(here) : [];
    const root = document.querySelector("main, [role=main], article") ?? document.body;
    return {
      title: cleaned(document.title).slice(0, 200),
      site: here?.name ?? "",
      selection: selected(),
      thread,
      text: thread.length ? "" : visibleText(root),
      box: found ? (isPlain(found) ? "text" : "rich") : null,
      draft: found ? content(found) : "",
    };
  }

  function insert(text: string): boolean {
    const found = box();
    if (!found) return false;
    found.focus();
    if (isPlain(found)) return fill(found, text);
    const before = content(found);
    if (site()?.takes === "paste" && paste(found, text)) return true;
    document.execCommand("insertText", false, text);
    if (content(found) === before) found.append(document.createTextNode(text));
    return content(found) !== before;
  }

  globalThis.gemelPage = {
    look,
    insert,
    written: () => {
      const found = box();
      return found ? content(found) : "";
    },
  };
});

/** Only what is really marked and seen; a page's own hidden selection is not. */
function selected(): string {
  const marked = getSelection();
  if (!marked || marked.isCollapsed || marked.rangeCount === 0) return "";
  if (plainBox(deepest(document.activeElement))) return cleaned(marked.toString()).slice(0, 4000);
  const range = marked.getRangeAt(0);
  const holder = range.commonAncestorContainer;
  const root = holder instanceof Element ? holder : holder.parentElement;
  return root ? visibleText(root, 4000, range) : "";
}

function messages(site: Site): Seen["thread"] {
  const found = [...document.querySelectorAll(site.message)].slice(-RECENT);
  const own = site.mine.account ? sign(document, site.mine.account.own) : "";
  const marksOthers = site.mine.theirs !== undefined && found.some((e) => e.querySelector(site.mine.theirs ?? ""));
  let author = "";
  let writer = "";
  /** By what the site marks, by its account, by the side. */
  function mine(element: Element, name: string): boolean {
    const { marked, theirs, account, sided } = site.mine;
    if (marked) return element.matches(marked);
    if (theirs && marksOthers) return !element.querySelector(theirs);
    if (sided && element.matches(sided)) return onTheRight(element, site.text);
    const signed = account ? sign(element, account.writer) : "";
    if (signed || name) writer = signed;
    return own !== "" && writer === own;
  }
  return found.flatMap((element) => {
    const text = [...element.querySelectorAll(site.text)].filter((e, _, all) => !all.some((o) => o !== e && o.contains(e)));
    const said = text.map((e) => visibleText(e, 2000)).filter(Boolean).join("\n");
    const name = named(element, site);
    author = name || author; // a site names the writer once for several messages in a row
    const isMine = mine(element, name);
    return said ? [{ author, text: said, mine: isMine }] : [];
  });
}

function named(element: Element, site: Site): string {
  const found = element.querySelector(site.author);
  const stamped = found?.getAttribute("data-pre-plain-text"); // WhatsApp: "[10:12, 3/4/2026] Mara: "
  const name = stamped ? stamped.replace(/^\[[^\]]*\]\s*/, "").replace(/:\s*$/, "") : (found && visibleText(found, 80)) || "";
  return cleaned(name).split("\n")[0]?.slice(0, 60) ?? "";
}

function sign(root: ParentNode, { at, read, as }: Sign): string {
  const found = root.querySelector(at);
  const text = read ? found?.getAttribute(read) : found?.textContent?.trim();
  return as.exec(text ?? "")?.[1]?.toLowerCase() ?? "";
}

function onTheRight(element: Element, text: string): boolean {
  const [row, said] = [element.getBoundingClientRect(), element.querySelector(text)?.getBoundingClientRect()];
  return said !== undefined && said.left - row.left > row.right - said.right;
}

function deepest(element: Element | null): Element | null {
  let found = element;
  while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement;
  return found;
}

function plainBox(element: Element | null): HTMLTextAreaElement | HTMLInputElement | null {
  if (element instanceof HTMLTextAreaElement) return element;
  const kinds = ["text", "search", ""];
  return element instanceof HTMLInputElement && kinds.includes(element.type) ? element : null;
}

function isPlain(found: Box): found is HTMLTextAreaElement | HTMLInputElement {
  return found instanceof HTMLTextAreaElement || found instanceof HTMLInputElement;
}

function content(found: Box): string {
  return isPlain(found) ? found.value : found.innerText.trim();
}

function fill(found: HTMLTextAreaElement | HTMLInputElement, text: string): boolean {
  if (found.disabled || found.readOnly) return false;
  const line = found instanceof HTMLInputElement ? text.replace(/\n+/g, " ") : text;
  if (document.execCommand("insertText", false, line)) return true; // keeps the page's undo
  found.setRangeText(line, found.selectionStart ?? 0, found.selectionEnd ?? 0, "end");
  found.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertText", data: line }));
  return true;
}

/** Whether the editor took it: it then cancels the event. */
function paste(found: HTMLElement, text: string): boolean {
  const data = new DataTransfer();
  data.setData("text/plain", text);
  return !found.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}
