// The verdict first, in words; then one row a measure, the twin beside its floor and its ceiling; refusals at the end.
import type { Props } from "../../App";
import { client, Failed, got, type Schema } from "../../api";
import { start } from "../../jobs";
import { openReport } from "../../reports";
import { go } from "../../route";
import { Page, Trouble, Waiting } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";
import { measure, reason, unit } from "../../words/names";
import { digits, pivot, type Refused, type Row, type Score } from "./pivot";

const SYSTEMS = {
  voice: t.sys_voice,
  assisted: t.sys_assisted,
  prompted: t.sys_prompted,
  base: t.sys_base,
  impostor: t.sys_impostor,
  self: t.sys_self,
} as const;
const system = (name: string): string => SYSTEMS[name as keyof typeof SYSTEMS] ?? name;

export default function Likeness({ twin }: Props) {
  const found = useAsked(() => got(client.GET("/api/likeness")));
  const doing = useDoing();
  const missing = found.error instanceof Failed && found.error.status === 404;
  const measure = () => doing.run(async () => {
    await start({ kind: "evaluate" });
    go("train");
  });
  return (
    <Page title={t.likenessTitle} lead={t.likenessLead} wide>
      {!found.value && !found.error && <Waiting />}
      <Trouble error={missing ? doing.error : (found.error ?? doing.error)} />
      {missing && (
        <section className="space-y-4">
          <p>{t.noLikeness}</p>
          {twin?.run && <button type="button" className="button-main" disabled={doing.busy} onClick={measure}>{t.measure}</button>}
        </section>
      )}
      {found.value && (
        <>
          <Verdict of={found.value.verdict} />
          <div className="flex flex-wrap gap-3">
            <button type="button" className="button-main" onClick={() => doing.run(() => openReport(`likeness-${found.value?.run}`))}>{t.report}</button>
            <button type="button" className="button" disabled={doing.busy} onClick={measure}>{t.measureAgain}</button>
          </div>
          <Scores scores={found.value.scores} />
        </>
      )}
    </Page>
  );
}

function Verdict({ of }: { of: Schema["VerdictInfo"] }) {
  return (
    <section className="space-y-4">
      <p className="max-w-[38rem] border-l-2 border-act pl-5 font-serif text-2xl leading-snug">{t.verdict(of.level) || of.sentence}</p>
      {t.verdict(of.level) && <p lang="en" className="max-w-prose text-quiet">{of.sentence}</p>}
      <ul className="max-w-prose list-disc space-y-1 pl-5 text-quiet">
        {[...of.reasons, ...of.warnings].map((w) => <li key={w}>{reason(w)}</li>)}
      </ul>
    </section>
  );
}

function Scores({ scores }: { scores: readonly Score[] }) {
  const { systems, rows, refused } = pivot(scores);
  return (
    <section className="space-y-4">
      <h2>{t.figures}</h2>
      <p className="max-w-prose text-quiet">{t.figuresLead}</p>
      <div className="overflow-x-auto" tabIndex={0} role="region" aria-label={t.figures}>
        <table className="table min-w-[44rem]">
          <thead>
            <tr>
              <th scope="col">{t.metric}</th>
              {systems.map((s) => <th key={s} scope="col" className="text-right">{system(s)}</th>)}
            </tr>
          </thead>
          <tbody className="tabular-nums">{rows.map((row) => <Line key={row.metric} row={row} systems={systems} />)}</tbody>
        </table>
      </div>
      {refused.length > 0 && <Refusals refused={refused} />}
    </section>
  );
}

function Line({ row, systems }: { row: Row; systems: readonly string[] }) {
  return (
    <tr>
      <th scope="row" className="border-t border-line align-top text-ink!">
        {measure(row.metric)}
        <span className="block font-normal text-quiet">{unit(row.unit)}{row.better && ` · ${t.best(row.better)}`}</span>
      </th>
      {systems.map((name, i) => {
        const cell = row.cells.get(name);
        return (
          <td key={name} className={`text-right ${i ? "text-quiet" : "font-semibold"}`} title={cell?.refused}>
            {cell?.value != null ? digits(cell.value) : "–"}
            {cell?.low != null && cell.high != null && (
              <span className="block whitespace-nowrap text-sm font-normal text-quiet">{digits(cell.low)} – {digits(cell.high)}</span>
            )}
          </td>
        );
      })}
    </tr>
  );
}

function Refusals({ refused }: { refused: readonly Refused[] }) {
  return (
    <details>
      <summary className="text-quiet">{t.refusals(refused.length)}</summary>
      <dl className="mt-2 grid gap-x-6 gap-y-1 text-sm sm:grid-cols-[12rem_1fr]">
        {refused.map(({ metric, reason }) => (
          <div key={metric} className="contents"><dt className="font-semibold">{measure(metric)}</dt><dd className="text-quiet">{reason}</dd></div>
        ))}
      </dl>
    </details>
  );
}
