// One answer outside a talk, for samples, traits and comparisons.
import { client, got } from "./api";

export async function answer(model: string, question: string, more: { seed?: number; traits?: Record<string, number> } = {}): Promise<string> {
  const done = await got(
    client.POST("/v1/chat/completions", {
      body: { model, messages: [{ role: "user", content: question }], ...more },
    }),
  );
  return done.choices[0]?.message?.content ?? "";
}

/** The twin's usual way to answer. */
export const usual = (twin: { ways: Record<string, string>; answer: string }): string =>
  Object.entries(twin.ways).find(([, way]) => way === twin.answer)?.[0] ?? Object.keys(twin.ways)[0] ?? "";
