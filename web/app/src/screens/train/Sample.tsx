// One question to the voice as it is now.
import { useState } from "react";

import { answer, usual } from "../../answer";
import type { Twin } from "../../App";
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
        doing.run(async () => setSaid(await answer(usual(twin), question)));
      }}>
        <input name="question" className="field" aria-label={t.question} defaultValue={t.sampleQuestion} required maxLength={2000} />
        <button className="button shrink-0" disabled={doing.busy}>{t.sampleAsk}</button>
      </form>
      <Trouble error={doing.error} />
      {doing.busy ? <Waiting /> : said && <blockquote className="mt-3 whitespace-pre-wrap border-l-2 border-act pl-4 font-serif text-lg">{said}</blockquote>}
    </section>
  );
}
