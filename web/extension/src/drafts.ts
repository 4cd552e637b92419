/** From what a page shows to what the twin is asked: the page as data, the question as a turn of its own. */
import type { Seen } from "../entrypoints/page";
import type { Message } from "./client";

export interface Wish {
  tone: string;
  recipient: string;
}

/** The page's own turn: its title, then its selection, thread or visible text. */
export function dataOf(seen: Seen, most = 2500): Message {
  const lines = seen.thread.map((m) => `${m.mine ? "me" : m.author || "they"}: ${m.text}`).join("\n");
  const body = seen.selection || lines || seen.text;
  return { role: "data", content: `${seen.title}\n${seen.selection ? body.slice(0, most) : tail(body, most)}` };
}

/** What a draft answers: the selection, else the last message of somebody else, else the end of the text. */
export function askedOf(seen: Seen): { text: string; author: string } {
  if (seen.selection) return { text: seen.selection, author: "" };
  const last = [...seen.thread].reverse().find((m) => !m.mine);
  if (last) return { text: last.text, author: last.author };
  return { text: tail(seen.text, 400), author: "" };
}

/** A request for a reply in the owner's words. */
export function replyTo(seen: Seen, wish: Wish): Message[] {
  const asked = askedOf(seen);
  const name = wish.recipient || asked.author;
  const messages: Message[] = [];
  if (wish.tone) messages.push({ role: "system", content: `Answer in a ${wish.tone} tone.` });
  messages.push(dataOf(seen));
  messages.push({ role: "user", content: asked.text || "…", ...(name ? { name: name.slice(0, 100) } : {}) });
  return messages;
}

function tail(text: string, most: number): string {
  if (text.length <= most) return text;
  const cut = text.slice(-most);
  return cut.slice(cut.search(/\s/) + 1);
}
