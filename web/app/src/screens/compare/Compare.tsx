// Blind choice between two ways for the twin to be. Which is which only the server knows until the vote.
import { type FormEvent, useState } from "react";

import type { Props } from "../../App";
import { client, got, type Schema } from "../../api";
import { Page, Trouble, Waiting } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";
import { Arms } from "./Arms";
import { Evidence } from "./Evidence";

type Choice = Schema["gemel__serve__compare__VoteRequest"]["choice"];
type Named = (id: string) => string;
interface Shown {
  pair: Schema["Pair"];
  revealed: Schema["Revealed"] | null;
}

export default function Compare({ twin }: Props) {
  const known = useAsked(() => got(client.GET("/api/compare")));
  const [shown, setShown] = useState<Shown | null>(null);
  const doing = useDoing();
  const arms = known.value?.arms ?? [];
  const named: Named = (id) => arms.find((a) => a.id === id)?.title || id;

  function ask(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const said = new FormData(event.currentTarget);
    const which = String(said.get("arms") ?? "");
    const body = {
      messages: [{ role: "user" as const, text: String(said.get("question")), name: "" }],
      arms: which ? which.split("\n") : [],
    };
    doing.run(async () => setShown({ pair: await got(client.POST("/api/compare/pair", { body })), revealed: null }));
  }
  const vote = (pair: Schema["Pair"], choice: Choice) => doing.run(async () => {
    const revealed = await got(client.POST("/api/compare/vote", { body: { nonce: pair.nonce, choice } }));
    setShown({ pair, revealed });
    known.again();
  });
  return (
    <Page title={t.compareTitle} lead={t.compareLead} wide>
      {!known.value && !known.error && <Waiting />}
      <Trouble error={known.error} />
      {known.value && arms.length < 2 && <p className="max-w-prose">{t.twoWays}</p>}
      {arms.length >= 2 && (
        <section className="space-y-5">
          <p className="text-sm text-quiet">{twin?.disclosure}</p>
          <form className="flex flex-wrap items-end gap-3" onSubmit={ask}>
            <label className="min-w-60 flex-[3]">
              <span className="text-sm text-quiet">{t.question}</span>
              <input name="question" className="field mt-1" defaultValue={t.sampleQuestion} required maxLength={2000} />
            </label>
            <label className="min-w-64 flex-1">
              <span className="text-sm text-quiet">{t.between}</span>
              <select name="arms" className="field mt-1">
                <option value="">{t.neediest}</option>
                {known.value?.pairs.map((p) => <option key={`${p.a} ${p.b}`} value={`${p.a}\n${p.b}`}>{named(p.a)} – {named(p.b)}</option>)}
              </select>
            </label>
            <button className="button-main" disabled={doing.busy}>{shown ? t.nextPair : t.ask}</button>
          </form>
          {doing.busy && <Waiting />}
          <Trouble error={doing.error} />
          {shown && <Two shown={shown} named={named} vote={vote} busy={doing.busy} />}
        </section>
      )}
      {!!known.value?.pairs.length && <Evidence pairs={known.value.pairs} former={known.value.former} named={named} />}
      {known.value && <Arms arms={arms} changed={known.again} />}
    </Page>
  );
}

function Two({ shown: { pair, revealed }, named, vote, busy }: {
  shown: Shown;
  named: Named;
  vote: (pair: Schema["Pair"], choice: Choice) => void;
  busy: boolean;
}) {
  const answers = [["first", pair.first, t.first], ["second", pair.second, t.second]] as const;
  return (
    <div className="space-y-4">
      <div className="grid gap-4 md:grid-cols-2">
        {answers.map(([which, parts, title]) => (
          <article key={which} className="sheet flex flex-col gap-4">
            <h2 className="text-base text-quiet">{title}{revealed && <b className="text-ink"> {t.was(named(revealed[which]))}</b>}</h2>
            <div className="flex-1 space-y-2 font-serif text-lg">
              {parts.map((part, i) => <p key={i} className="whitespace-pre-wrap break-words">{part}</p>)}
              {parts.length === 0 && <p className="text-quiet">{t.saidNothing}</p>}
            </div>
            {!revealed && <button type="button" className="button-main self-start" disabled={busy || pair.same} aria-label={`${t.like}: ${title}`}
              onClick={() => vote(pair, which)}>{t.like}</button>}
          </article>
        ))}
      </div>
      {!revealed && (
        <p className="flex flex-wrap items-center gap-4">
          <button type="button" className="button" disabled={busy} onClick={() => vote(pair, "tie")}>{t.tie}</button>
          {pair.same && <span className="text-quiet">{t.sameText}</span>}
        </p>
      )}
      {revealed && <p role="status" className="text-good">{t.voted}</p>}
    </div>
  );
}
