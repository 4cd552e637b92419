// A talk with the twin for assistant-ui: the server keeps every turn with its parent, so branches survive a reload.
import {
  type ChatModelAdapter,
  ExportedMessageRepository,
  type ThreadHistoryAdapter,
  type ThreadMessage,
} from "@assistant-ui/react";

import { client, Failed, got, raw, type Schema, told } from "../../api";

export type Source = Schema["Source"];
export interface Settings {
  model: string;
  recipient: string;
  /** Null: as warm as the person. */
  temperature: number | null;
  year: number | null;
}
/** What the page keeps beside a turn. */
export interface Beside {
  rating?: number;
  edit?: string[];
  quoted?: boolean;
  citations?: Source[];
}

export const textOf = (message: Pick<ThreadMessage, "content">): string =>
  message.content.map((part) => (part.type === "text" ? part.text : "")).join("\n");

interface Delta {
  choices?: { delta?: { content?: string }; gemel?: { quoted: boolean; citations: Source[] } }[];
  error?: { message: string; hint?: string };
}

/** Answers by the server's OpenAI route, as they are written. */
export function model(settings: () => Settings): ChatModelAdapter {
  return {
    async *run({ messages, abortSignal }) {
      const now = settings();
      const body = {
        model: now.model,
        messages: messages.map((m) => ({
          role: m.role,
          content: textOf(m),
          ...(m.role === "user" && now.recipient ? { name: now.recipient } : {}),
        })),
        stream: true,
        ...(now.temperature === null ? {} : { temperature: now.temperature }),
        ...(now.year === null ? {} : { traits: { year: now.year } }),
      };
      const answer = await raw("/v1/chat/completions", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: abortSignal,
      });
      let text = "";
      for await (const event of told(answer)) {
        if (event.data === "[DONE]") return;
        const said = JSON.parse(event.data) as Delta;
        if (said.error) throw new Failed(500, said.error.message, said.error.hint);
        const choice = said.choices?.[0];
        text += choice?.delta?.content ?? "";
        const { quoted, citations } = choice?.gemel ?? {};
        yield { content: [{ type: "text", text }], metadata: { custom: { quoted, citations } } };
      }
    },
  };
}

/** One talk on the server; made there when its first turn is said. */
export class Talk implements ThreadHistoryAdapter {
  private readonly ids = new Map<string, Promise<string>>();

  constructor(
    public id: string | null,
    private readonly settings: () => Settings,
    private readonly changed: () => void,
  ) {}

  /** The server's id of a turn shown here. */
  async idOf(shown: string): Promise<string> {
    return (await this.ids.get(shown)) ?? shown;
  }

  async load() {
    if (this.id === null) return { messages: [] };
    const said = await got(
      client.GET("/api/conversations/{conversation}/messages", { params: { path: { conversation: this.id } } }),
    );
    return ExportedMessageRepository.fromBranchableArray(
      said.map((s) => ({
        parentId: s.parent,
        message: {
          id: s.id,
          role: s.role === "me" ? ("assistant" as const) : ("user" as const),
          content: s.parts.join("\n"),
          createdAt: new Date(s.time * 1000),
          metadata: { custom: { rating: s.rating, edit: s.edit, quoted: s.extra.quoted === true } satisfies Beside },
        },
      })),
      { headId: said.at(-1)?.id ?? null },
    );
  }

  async append({ parentId, message }: { parentId: string | null; message: ThreadMessage }): Promise<void> {
    const text = textOf(message);
    if (!text.trim()) return; // stopped before the first word
    const kept = this.keep(parentId, message, text);
    this.ids.set(message.id, kept);
    await kept;
    this.changed();
  }

  private async keep(parentId: string | null, message: ThreadMessage, text: string): Promise<string> {
    const now = this.settings();
    const beside = message.metadata.custom as Beside;
    const conversation = await this.begun(text);
    const parent = parentId === null ? null : await this.idOf(parentId);
    const body = {
      role: message.role === "assistant" ? ("me" as const) : ("other" as const),
      parts: text.split("\n").filter((p) => p.trim()),
      name: message.role === "assistant" ? "" : now.recipient,
      parent,
      speaker: message.role === "assistant" ? now.model : "",
      extra: { ...(beside.quoted ? { quoted: true } : {}) },
    };
    const said = await got(
      client.POST("/api/conversations/{conversation}/messages", { params: { path: { conversation } }, body }),
    );
    return said.id;
  }

  private async begun(text: string): Promise<string> {
    if (this.id === null) {
      const title = text.replaceAll("\n", " ").slice(0, 60);
      const made = await got(client.POST("/api/conversations", { body: { title, recipient: this.settings().recipient } }));
      this.id = made.id;
    }
    return this.id;
  }
}
