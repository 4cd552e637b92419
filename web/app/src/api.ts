// The one way to the server: typed by its OpenAPI schema, a token on every request, errors a person can read.
import createClient from "openapi-fetch";

import type { components, paths } from "../../client/schema";

export type Schema = components["schemas"];

const KEY = "gemel-token";
let held = localStorage.getItem(KEY) ?? "";

/** An answer other than success, in the server's own words. */
export class Failed extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly hint = "",
  ) {
    super(message);
  }
}

export const client = createClient<paths>();
client.use({
  onRequest({ request }) {
    if (held) request.headers.set("authorization", `Bearer ${held}`);
    return request;
  },
});

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** The data of an answer, or the error it carried. */
export async function got<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (error !== undefined || !response.ok) throw failure(response.status, error);
  return data as T;
}

/** What the server said went wrong. */
export function failure(status: number, body: unknown): Failed {
  const said = (body as Partial<Schema["ErrorBody"]> | undefined)?.error;
  return new Failed(status, said?.message ?? `HTTP ${status}`, said?.hint ?? "");
}

/** A request outside the schema's reach: streams and raw bodies. */
export async function raw(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (held) headers.set("authorization", `Bearer ${held}`);
  const answer = await fetch(path, { ...init, headers });
  if (!answer.ok) throw failure(answer.status, await answer.json().catch(() => undefined));
  return answer;
}

export const token = (): string => held;
export const paired = (): boolean => held !== "";

export async function pair(code: string): Promise<void> {
  const name = navigator.userAgent.match(/(Firefox|Edg|Chrome|Safari)/)?.[0] ?? "Browser";
  const made = await got(client.POST("/api/pair", { body: { code, name } }));
  held = made.token;
  localStorage.setItem(KEY, held);
}

export function unpair(): void {
  held = "";
  localStorage.removeItem(KEY);
}

/** One server-sent event. */
export interface Told {
  id: string;
  event: string;
  data: string;
}

/** The events of a stream, as they come. */
export async function* told(answer: Response): AsyncGenerator<Told, void> {
  if (!answer.body) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      held += value;
      const blocks = held.split("\n\n");
      held = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = parse(block);
        if (event) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

export function parse(block: string): Told | null {
  const event: Told = { id: "", event: "message", data: "" };
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const [, field, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (field === "data") data.push(value ?? "");
    else if (field === "id" || field === "event") event[field] = value ?? "";
  }
  return data.length ? { ...event, data: data.join("\n") } : null;
}
