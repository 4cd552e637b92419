// One question to the voice as it is now.
import { useState } from "react";

import type { Twin } from "../../App";
import { client, got } from "../../api";
import { Trouble, Waiting } from "../../ui";
import { useDoing } from "../../use";
import { t } from "../../words";

export function Sample({ twin }: { twin: Twin }) {
  const [said, setSaid] = useState("");
  const doing = useDoing();
  return (
    <section>
      <h2>{t.samples}</h2>
      <p className="text-sm text-quiet">{twin.disclosure}</p>
      <form className="mt-3 flex gap-2" onSubmit={(e) => {
        e.preventDefault();
        const question = String(new FormData(e.currentTarget).get("question"));
        doing.run(async () => setSaid(await answer(twin, question)));
      }}>
        <input name="question" className="field" aria-label={t.question} defaultValue={t.sampleQuestion} required maxLength={2000} />
        <button className="button shrink-0" disabled={doing.busy}>{t.sampleAsk}</button>
      </form>
      <Trouble error={doing.error} />
      {doing.busy ? <Waiting /> : said && <blockquote className="mt-3 whitespace-pre-wrap border-l-2 border-act pl-4 font-serif text-lg">{said}</blockquote>}
    </section>
  );
}

/** One answer outside a talk, in the twin's usual way. */
async function answer({ ways, answer: usual }: Twin, question: string): Promise<string> {
  const model = Object.keys(ways).find((id) => ways[id] === usual) ?? Object.keys(ways)[0] ?? "";
  const done = await got(client.POST("/v1/chat/completions", { body: { model, messages: [{ role: "user", content: question }] } }));
  return done.choices[0]?.message?.content ?? "";
}
