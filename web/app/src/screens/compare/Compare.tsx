// Blind choice between two ways to answer. Which is which is shown only after the vote.
import { useState } from "react";

import { answer } from "../../answer";
import type { Props } from "../../App";
import { client, got } from "../../api";
import { Page, Trouble, Waiting } from "../../ui";
import { useDoing } from "../../use";
import { t } from "../../words";

interface Pair {
  question: string;
  models: [string, string];
  said: [string, string];
  voted: boolean;
}

export default function Compare({ twin }: Props) {
  const [pair, setPair] = useState<Pair | null>(null);
  const doing = useDoing();
  const ways = Object.keys(twin?.ways ?? {});
  const [one, two] = ways;

  function ask(question: string) {
    if (!one || !two) return;
    doing.run(async () => {
      const models: [string, string] = crypto.getRandomValues(new Uint8Array(1))[0]! % 2 ? [one, two] : [two, one];
      const said = await Promise.all(models.map((m) => answer(m, question)));
      setPair({ question, models, said: [said[0] ?? "", said[1] ?? ""], voted: false });
    });
  }
  function vote(choice: "a" | "b" | "tie") {
    if (!pair) return;
    doing.run(async () => {
      const [a, b] = pair.models;
      await got(client.POST("/api/votes", { body: { question: pair.question.slice(0, 100), a, b, choice } }));
      setPair({ ...pair, voted: true });
    });
  }
  return (
    <Page title={t.compareTitle} lead={t.compareLead}>
      {!two ? <p>{t.twoWays}</p> : (
        <form className="flex gap-2" onSubmit={(e) => {
          e.preventDefault();
          ask(String(new FormData(e.currentTarget).get("question")));
        }}>
          <input name="question" className="field" aria-label={t.question} defaultValue={t.sampleQuestion} required maxLength={2000} />
          <button className="button shrink-0" disabled={doing.busy}>{pair ? t.nextPair : t.ask}</button>
        </form>
      )}
      <Trouble error={doing.error} />
      {doing.busy && <Waiting />}
      {pair && (
        <div className="grid gap-4 md:grid-cols-2">
          {pair.said.map((said, i) => (
            <section key={i} className="sheet flex flex-col gap-4">
              <h2 className="text-base text-quiet">{i ? t.second : t.first}{pair.voted && ` ${t.was(pair.models[i] ?? "")}`}</h2>
              <p className="flex-1 whitespace-pre-wrap font-serif text-lg">{said}</p>
              {!pair.voted && <button type="button" className="button-main self-start" disabled={doing.busy}
                onClick={() => vote(i ? "b" : "a")}>{t.like}</button>}
            </section>
          ))}
          {!pair.voted && <button type="button" className="button justify-self-start" disabled={doing.busy} onClick={() => vote("tie")}>{t.tie}</button>}
        </div>
      )}
    </Page>
  );
}
