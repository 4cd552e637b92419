// Personas and questions: what synthesis made, to be read before anything is learned from it.
import { useState } from "react";

import type { Props } from "../../App";
import { client, got, type Schema } from "../../api";
import { count, Page, Trouble, Waiting, when } from "../../ui";
import { useAsked } from "../../use";
import { t } from "../../words";
import { digits } from "../likeness/pivot";
import { Graph } from "./Graph";
import { Rows } from "./Rows";

type Info = Schema["MadeInfo"];
const KINDS: Record<string, string> = {
  personas: t.made_personas,
  relate: t.made_relate,
  questions: t.made_questions,
  knowledge: t.made_knowledge,
  qa: t.made_qa,
};

export default function Synth(_: Props) {
  const made = useAsked(() => got(client.GET("/api/synth")));
  const [picked, setPicked] = useState("");
  const shown = made.value?.find((m) => m.name === picked) ?? made.value?.[0];
  return (
    <Page title={t.synthTitle} lead={t.synthLead}>
      <Trouble error={made.error} />
      {!made.value && !made.error && <Waiting />}
      {made.value?.length === 0 && (
        <section className="space-y-3">
          <p>{t.nothingMade}</p>
          <pre className="overflow-x-auto rounded-lg bg-tint p-4 text-sm" tabIndex={0}>gemel synth qa --teacher http://localhost:8000/v1 --model NAME</pre>
        </section>
      )}
      {made.value && shown && (
        <>
          <section className="space-y-4">
            <label className="block max-w-sm">
              <span className="text-sm text-quiet">{t.whatMade}</span>
              <select className="field mt-1" value={shown.name} onChange={(e) => setPicked(e.target.value)}>
                {made.value.map((m) => <option key={m.name} value={m.name}>{m.name}{KINDS[m.kind] ? `, ${KINDS[m.kind]}` : ""}</option>)}
              </select>
            </label>
            <Figures of={shown} />
          </section>
          {shown.kind === "relate" && <Graph key={`graph ${shown.name}`} name={shown.name} />}
          <Rows key={shown.name} name={shown.name} />
        </>
      )}
    </Page>
  );
}

function Figures({ of }: { of: Info }) {
  const dropped = Object.entries(of.dropped);
  return (
    <div className="text-sm tabular-nums text-quiet">
      <p>
        {of.rows === null ? t.unfinished : t.madeRows(count(of.rows))} · {when(of.changed)}
        {of.missing > 0 && <span className="text-warn"> · {t.missingRows(of.missing)}</span>}
      </p>
      {dropped.length > 0 && <p>{t.screenedOut} {dropped.map(([why, n]) => `${why} ${n}`).join(" · ")}</p>}
      <p>{Object.entries(of.figures).map(([name, value]) => `${name} ${digits(value)}`).join(" · ")}</p>
    </div>
  );
}
