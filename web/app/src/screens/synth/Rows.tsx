// Rows of one output: personas, questions, answers, each quotation marked where it stands in its text.
import { useState } from "react";

import { client, got, type Schema } from "../../api";
import { count, Trouble, Waiting } from "../../ui";
import { useAsked } from "../../use";
import { t } from "../../words";
import { cut } from "./quoted";

type Made = Schema["Made"];
const STEP = 20;

export function Rows({ name }: { name: string }) {
  const [domain, setDomain] = useState("");
  const [offset, setOffset] = useState(0);
  const page = useAsked(
    () => got(client.GET("/api/synth/{name}", { params: { path: { name }, query: { domain, offset, count: STEP } } })),
    [name, domain, offset],
  );
  if (!page.value) return page.error ? <Trouble error={page.error} /> : <Waiting />;
  const { domains, total, rows, unread } = page.value;
  const choose = (wanted: string) => {
    setDomain(wanted);
    setOffset(0);
  };
  return (
    <section className="space-y-5">
      {domains.length > 1 && (
        <label className="block max-w-sm">
          <span className="text-sm text-quiet">{t.domain}</span>
          <select className="field mt-1" value={domain} onChange={(e) => choose(e.target.value)}>
            <option value="">{t.allDomains(domains.length)}</option>
            {domains.map((d) => <option key={d.name} value={d.name}>{d.name} ({count(d.rows)})</option>)}
          </select>
        </label>
      )}
      <Trouble error={page.error} />
      <ol className="space-y-6" start={offset + 1}>{rows.map((row) => <li key={row.id}><Row row={row} /></li>)}</ol>
      {unread > 0 && <p className="text-warn">{t.unread(unread)}</p>}
      <div className="flex items-center gap-4">
        <button type="button" className="button" disabled={!offset} onClick={() => setOffset(offset - STEP)}>{t.before}</button>
        <span className="text-sm tabular-nums text-quiet" role="status">{total ? offset + 1 : 0} – {Math.min(total, offset + STEP)} / {total}</span>
        <button type="button" className="button" disabled={offset + STEP >= total} onClick={() => setOffset(offset + STEP)}>{t.after}</button>
      </div>
    </section>
  );
}

function Row({ row }: { row: Made }) {
  const claims = row.claims ?? [];
  return (
    <article className="max-w-prose space-y-2">
      {row.persona && <p className={row.question ? "text-sm text-quiet" : "font-serif text-lg leading-snug"}>{row.persona}</p>}
      {row.question && <h3 className="text-lg">{row.question}</h3>}
      {row.answer && <p className="whitespace-pre-wrap font-serif">{row.answer}</p>}
      {claims.length > 0 && (
        <ol className="list-decimal pl-5 text-sm text-quiet">{claims.map((c) => <li key={c.claim}>{c.claim}</li>)}</ol>
      )}
      {row.text && (
        <details>
          <summary className="text-sm text-quiet">{row.title ? `${t.itsText}: ${row.title}` : t.itsText}</summary>
          <p className="mt-2 whitespace-pre-wrap border-l border-line pl-4 font-serif leading-relaxed">
            {cut(row.text, claims).map((piece, i) => piece.claims.length
              ? <mark key={i} className="rounded bg-good/25 text-ink">{piece.text}<sup className="font-sans text-[0.65em] text-quiet">{piece.claims.join(",")}</sup></mark>
              : <span key={i}>{piece.text}</span>)}
          </p>
        </details>
      )}
      <p className="text-sm text-quiet">{[row.relation, row.domain].filter(Boolean).join(" · ")}</p>
    </article>
  );
}
