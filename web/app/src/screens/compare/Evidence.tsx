// What the votes say about each pair, however often one looks: a meter to a decision, and the figures behind it.
import { t } from "../../words";
import { way, type Weighed } from "./meter";

export function Evidence({ pairs, former, named }: {
  pairs: readonly Weighed[];
  former: readonly Weighed[];
  named: (id: string) => string;
}) {
  return (
    <section className="space-y-4">
      <h2>{t.evidence}</h2>
      <p className="max-w-prose text-quiet">{t.evidenceLead}</p>
      <ul className="space-y-5">{pairs.map((p) => <One key={`${p.a} ${p.b}`} of={p} named={named} />)}</ul>
      {former.length > 0 && (
        <details>
          <summary className="text-quiet">{t.formerPairs(former.length)}</summary>
          <ul className="mt-3 space-y-5">{former.map((p) => <One key={`${p.a} ${p.b}`} of={p} named={named} />)}</ul>
        </details>
      )}
    </section>
  );
}

function One({ of, named }: { of: Weighed; named: (id: string) => string }) {
  const [a, b] = [named(of.a), named(of.b)];
  const done = of.decision === "a" || of.decision === "b";
  const said = done ? t.decided(of.decision === "a" ? a : b) : of.decision ? t.alike : t.open(of.needed);
  return (
    <li className="max-w-2xl space-y-1">
      <p className="flex flex-wrap items-baseline justify-between gap-x-4">
        <b className="font-semibold">{a} – {b}</b>
        <span className={of.decision ? "text-good" : "text-quiet"}>{said}</span>
      </p>
      <meter className="h-2.5 w-full" min={0} max={1} value={way(of)} aria-label={t.meter(a, b)}>{Math.round(way(of) * 100)} %</meter>
      <p className="text-sm tabular-nums text-quiet">
        {of.wins} : {of.losses}{of.ties > 0 && ` · ${t.ties(of.ties)}`} · {t.betterChance(a, Math.round(of.better * 100))}
        {of.rate != null && ` · ${Math.round(of.rate * 100)} % (${Math.round(of.low * 100)} – ${Math.round(of.high * 100)})`}
        {" · "}e = {of.e.toPrecision(3)} / {of.threshold}
      </p>
    </li>
  );
}
