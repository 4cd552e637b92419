/** "Reply as me": three drafts beside the page, one of which its owner puts in, changes, and sends. */
import type { Seen } from "../page";
import { ask, keepDraft, type Twin } from "../../src/client";
import { askedOf, replyTo } from "../../src/drafts";
import { by, made } from "../../src/dom";
import { beside, insert, written } from "../../src/page";
import { settings } from "../../src/settings";

const VARIANTS = 3;

interface Panel {
  connect(): Promise<Twin>;
  look(): Promise<Seen>;
  fail(error: unknown, again: () => Promise<void>): void;
}

/** A draft that was put into the page, and what it answers. */
interface Put {
  draft: string;
  asked: string;
  recipient: string;
  speaker: string;
}

export class Drafting {
  private running: AbortController | null = null;
  private put: Put | null = null;
  private readonly recipient = by<HTMLInputElement>("recipient");
  private readonly tone = by<HTMLSelectElement>("tone");

  constructor(private readonly panel: Panel) {
    by("again").addEventListener("click", () => void this.draft());
    by("close").addEventListener("click", () => this.close());
    by("learn").addEventListener("click", () => void this.learn());
    this.tone.addEventListener("change", () => void this.draft());
    this.recipient.addEventListener("change", () => void this.draft());
  }

  async begin(): Promise<void> {
    this.recipient.value = "";
    by("drafting").hidden = false;
    await this.draft();
  }

  private close(): void {
    this.running?.abort();
    by("drafting").hidden = true;
  }

  private async draft(): Promise<void> {
    this.running?.abort();
    const run = (this.running = new AbortController());
    this.tell("");
    by("drafts").replaceChildren();
    try {
      const [who, seen, chosen] = [await this.panel.connect(), await this.panel.look(), await settings()];
      const wish = { tone: this.tone.value, recipient: this.recipient.value.trim() };
      this.recipient.placeholder = askedOf(seen).author || "anyone";
      const messages = replyTo(seen, wish);
      const seed = Math.floor(Math.random() * 2 ** 31);
      const rows = Array.from({ length: VARIANTS }, (_, i) => this.row(i, who, seen));
      const one = async (row: (typeof rows)[number], i: number) => {
        const answer = await ask(chosen, who, { messages, seed: seed + i, max: 120 }, row.grow, run.signal);
        row.done(answer.text);
      };
      const ends = await Promise.allSettled(rows.map(one));
      if (ends.every((end) => end.status === "rejected")) throw ends[0]?.reason;
      // a server with fewer places than drafts is asked for the others one by one
      for (const [i, row] of rows.entries()) if (ends[i]?.status === "rejected") await one(row, i);
    } catch (error) {
      if (!run.signal.aborted) {
        run.abort();
        this.panel.fail(error, () => this.draft());
      }
    }
  }

  private row(index: number, who: Twin, seen: Seen): { grow(text: string): void; done(text: string): void } {
    const text = made("textarea", { rows: "3", "aria-label": `Draft ${index + 1}`, readonly: "" });
    const button = made("button", { type: "button", class: "insert", disabled: "" }, "Put in");
    let drafted = "";
    button.addEventListener("click", (event) => {
      const asked = askedOf(seen);
      const recipient = this.recipient.value.trim() || asked.author;
      void this.place(event, text.value, { draft: drafted, asked: asked.text, recipient, speaker: who.gemel ? who.model : "" });
    });
    by("drafts").append(made("li", {}, text, button));
    return {
      grow: (grown) => (text.value = grown),
      done: (whole) => {
        text.value = drafted = whole;
        text.readOnly = false;
        button.disabled = !whole.trim();
      },
    };
  }

  /** Put a draft into the page. An edit made here is learned at once; one made there, when its owner says so. */
  private async place(gesture: Event, text: string, put: Put): Promise<void> {
    const tab = await beside();
    if (tab === undefined || !(await insert(gesture, tab, text).catch(() => false))) {
      await navigator.clipboard.writeText(text).catch(() => undefined);
      this.tell("No text box is chosen there: the draft was copied instead. Click into one and try again.");
      return;
    }
    this.put = put.speaker ? put : null;
    by("learn").hidden = !this.put;
    this.tell("Put in, not sent. Change it as you like; sending is yours.");
    if (this.put && text.trim() !== put.draft.trim()) await this.keep(text);
  }

  private async learn(): Promise<void> {
    const tab = await beside();
    const text = tab === undefined ? "" : await written(tab).catch(() => "");
    if (text) await this.keep(text);
    else this.tell("The text box is empty or gone: there is nothing to learn from.");
  }

  private async keep(final: string): Promise<void> {
    if (!this.put) return;
    try {
      await keepDraft(await settings(), { ...this.put, final });
      by("learn").hidden = true;
      this.tell(final.trim() === this.put.draft.trim() ? "Kept as sounding like you." : "Your version was kept; the twin learns from it.");
    } catch (error) {
      this.panel.fail(error, () => this.keep(final));
    }
  }

  private tell(text: string): void {
    by("told").textContent = text;
  }
}
