// The verdict first, in words; then the figures of every system side by side, refusals included.
import type { Props } from "../../App";
import { client, Failed, got, type Schema } from "../../api";
import { start } from "../../jobs";
import { go } from "../../route";
import { Page, Trouble, Waiting } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";

export default function Likeness({ twin }: Props) {
  const found = useAsked(() => got(client.GET("/api/likeness")));
  const doing = useDoing();
  const missing = found.error instanceof Failed && found.error.status === 404;
  return (
    <Page title={t.likenessTitle} lead={t.likenessLead}>
      {!found.value && !found.error && <Waiting />}
      <Trouble error={missing ? doing.error : (found.error ?? doing.error)} />
      {missing && (
        <div className="space-y-3">
          <p>{t.noLikeness}</p>
          {twin?.run && <button type="button" className="button-main" disabled={doing.busy} onClick={() => doing.run(async () => {
            await start({ kind: "evaluate" });
            go("train");
          })}>{t.measure}</button>}
        </div>
      )}
      {found.value && (
        <>
          <p className="max-w-prose font-serif text-xl">{found.value.verdict.sentence}</p>
          <ul className="list-disc space-y-1 pl-5 text-quiet">{found.value.verdict.warnings.map((w) => <li key={w}>{w}</li>)}</ul>
          <Scores scores={found.value.scores.filter((s) => s.group === "all")} />
        </>
      )}
    </Page>
  );
}

function Scores({ scores }: { scores: Schema["ScoreInfo"][] }) {
  return (
    <div className="overflow-x-auto" tabIndex={0} role="region" aria-label={t.likenessTitle}>
      <table className="table min-w-[40rem]">
        <thead><tr><th>{t.metric}</th><th>{t.system}</th><th className="text-right">{t.value}</th><th>{t.interval}</th></tr></thead>
        <tbody>
          {scores.map((s, i) => (
            <tr key={`${s.metric} ${s.system}`}>
              <th scope="row" className="border-t border-line align-top text-ink!">
                {scores[i - 1]?.metric !== s.metric && <>{s.metric}<span className="block font-normal text-quiet">{s.unit}</span></>}
              </th>
              <td>{s.system}</td>
              <td className="text-right tabular-nums">{s.value?.toFixed(3) ?? "–"}</td>
              <td className="text-sm tabular-nums text-quiet">
                {s.low != null && s.high != null ? `${s.low.toFixed(3)} – ${s.high.toFixed(3)}` : s.refused}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
