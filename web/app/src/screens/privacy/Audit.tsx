// What the voice that speaks now knows by heart, as the last audit found it.
import { client, Failed, got, type Schema } from "../../api";
import { start } from "../../jobs";
import { go } from "../../route";
import { Trouble } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";

export function Audit() {
  const found = useAsked(() => got(client.GET("/api/audit")));
  const doing = useDoing();
  const missing = found.error instanceof Failed && found.error.status === 404;
  return (
    <section className="space-y-4">
      <h2>{t.audit}</h2>
      <p className="max-w-prose text-quiet">{t.auditLead}</p>
      <Trouble error={missing ? doing.error : (found.error ?? doing.error)} />
      {missing && <p>{t.noAudit}</p>}
      {found.value && <Found of={found.value} />}
      <button type="button" className="button" disabled={doing.busy} onClick={() => doing.run(async () => {
        await start({ kind: "audit" });
        go("train");
      })}>{found.value ? t.auditAgain : t.auditNow}</button>
    </section>
  );
}

function Found({ of }: { of: Schema["AuditInfo"] }) {
  const told = (value: number | null) => (value === null ? "–" : value.toFixed(2));
  const figures: [string, string][] = [
    [t.exposure, told(of.exposure)],
    [t.epsilon, told(of.epsilon)],
    [t.extraction, of.extraction === null ? "–" : `${(100 * of.extraction).toFixed(1)} %`],
    [t.membership, told(of.membership)],
    [t.canaries, String(of.canaries)],
  ];
  return (
    <>
      <p className={`text-lg ${of.passed ? "text-good" : "text-warn"}`}>{of.passed ? t.auditPassed : t.auditFailed(of.failures.join("; "))}</p>
      <dl className="grid max-w-xl grid-cols-[1fr_auto] gap-x-6 gap-y-1">
        {figures.map(([name, value]) => <div key={name} className="contents"><dt className="text-quiet">{name}</dt><dd className="text-right tabular-nums">{value}</dd></div>)}
      </dl>
    </>
  );
}
