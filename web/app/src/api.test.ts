import { afterEach, beforeEach, expect, test, vi } from "vitest";

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal("localStorage", {
    getItem: (k: string) => kept.get(k) ?? null,
    setItem: (k: string, v: string) => kept.set(k, v),
    removeItem: (k: string) => kept.delete(k),
  });
  vi.resetModules();
});
afterEach(() => vi.unstubAllGlobals());

/** A stream that arrives in exactly these pieces. */
function streamed(...pieces: (string | Uint8Array<ArrayBuffer>)[]): Response {
  return new Response(new ReadableStream({
    start(stream) {
      for (const piece of pieces) stream.enqueue(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
      stream.close();
    },
  }));
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const one of source) out.push(one);
  return out;
}

test("events are found wherever the network cuts them", async () => {
  const { told } = await import("./api");
  const text = 'id: 7\nevent: progress\ndata: {"a": 1}\n\n: still here\n\ndata: first\ndata: second\n\n';
  const whole = await all(told(streamed(text)));
  expect(whole).toEqual([
    { id: "7", event: "progress", data: '{"a": 1}' },
    { id: "", event: "message", data: "first\nsecond" },
  ]);
  for (let cut = 1; cut < text.length; cut++) {
    expect(await all(told(streamed(text.slice(0, cut), text.slice(cut))))).toEqual(whole);
  }
});

test("a character cut in two is put together again", async () => {
  const { told } = await import("./api");
  const bytes = new TextEncoder().encode("data: chào\n\n");
  const cut = bytes.length - 4; // inside à
  const events = await all(told(streamed(bytes.slice(0, cut), bytes.slice(cut))));
  expect(events.map((e) => e.data)).toEqual(["chào"]);
});

test("half an event at the end is no event, and comments are none", async () => {
  const { parse, told } = await import("./api");
  expect(await all(told(streamed("data: whole\n\ndata: half")))).toHaveLength(1);
  expect(parse(": comment")).toBeNull();
  expect(parse("event: end\ndata:")).toEqual({ id: "", event: "end", data: "" });
});

test("an error is told in the server's words, and without any when it has none", async () => {
  const { Failed, got } = await import("./api");
  const said = { error: { message: "no such twin", type: "x", hint: "make one" } };
  const failed = got(Promise.resolve({ error: said, response: new Response(null, { status: 404 }) }));
  await expect(failed).rejects.toMatchObject({ status: 404, message: "no such twin", hint: "make one" });
  const bare = got(Promise.resolve({ error: "<html>", response: new Response(null, { status: 502 }) }));
  await expect(bare).rejects.toMatchObject({ message: "HTTP 502", hint: "" });
  await expect(bare).rejects.toBeInstanceOf(Failed);
});

test("the token goes with every request once the browser is paired, and with none after", async () => {
  const asked: (string | null)[] = [];
  vi.stubGlobal("navigator", { userAgent: "Chrome" });
  vi.stubGlobal("fetch", async (path: string, init?: RequestInit) => {
    asked.push(new Headers(init?.headers).get("authorization"));
    return new Response(String(path));
  });
  const api = await import("./api");
  await api.raw("/health");
  expect(api.paired()).toBe(false);
  localStorage.setItem("gemel-token", "t0");
  vi.resetModules();
  const later = await import("./api");
  expect(later.paired()).toBe(true);
  await later.raw("/health");
  later.unpair();
  await later.raw("/health");
  expect(asked).toEqual([null, "Bearer t0", null]);
  expect(localStorage.getItem("gemel-token")).toBeNull();
});
