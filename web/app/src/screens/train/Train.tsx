// Training: what it takes, the work while it runs, a sample, and the voices there are.
import { useEffect } from "react";

import type { Props } from "../../App";
import { client, got } from "../../api";
import { start } from "../../jobs";
import { Page, Trouble, Waiting } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";
import { Plan } from "../welcome/Plan";
import { Sample } from "./Sample";
import { Voices } from "./Voices";
import { Work } from "./Work";

const SHOWN = 3;

export default function Train({ twin, renew }: Props) {
  const jobs = useAsked(() => got(client.GET("/api/jobs")));
  const runs = useAsked(() => got(client.GET("/api/runs")));
  const doing = useDoing();
  const act = (work: () => Promise<unknown>) => doing.run(async () => {
    await work();
    jobs.again();
    runs.again();
    await renew();
  });
  const shown = latest(jobs.value ?? []);
  const busy = doing.busy || shown.some((j) => j.state === "running");
  useEffect(() => {
    if (!shown.some((j) => j.state === "running")) return;
    const soon = setTimeout(jobs.again, 5000); // so that what ended elsewhere is seen
    return () => clearTimeout(soon);
  }, [jobs.value]);
  return (
    <Page title={t.trainTitle} lead={t.trainLead}>
      <Trouble error={jobs.error ?? runs.error ?? doing.error} />
      {!jobs.value && !jobs.error && <Waiting />}
      {shown.map((job) => <Work key={job.id} job={job} act={act} />)}
      {twin && (
        <section className="space-y-4">
          <h2>{t.planTitle}</h2>
          <Plan again start={(chosen) => act(() => start({ kind: "train", ...chosen }))} busy={busy} />
        </section>
      )}
      {twin?.run && (
        <section className="space-y-3">
          <h2>{t.afterwards}</h2>
          <p className="max-w-prose text-quiet">{t.afterwardsLead}</p>
          <div className="flex flex-wrap gap-3">
            <button type="button" className="button" disabled={busy} onClick={() => act(() => start({ kind: "evaluate" }))}>{t.stage_evaluate}</button>
            <button type="button" className="button" disabled={busy} onClick={() => act(() => start({ kind: "audit" }))}>{t.stage_audit}</button>
          </div>
        </section>
      )}
      {twin && <Sample twin={twin} />}
      {!!runs.value?.length && <Voices runs={runs.value} act={act} />}
      {!twin && jobs.value && !shown.length && <p className="text-quiet">{t.noTraining} <a className="link" href="#/welcome">{t.welcome}</a></p>}
    </Page>
  );
}

/** The newest job of every kind, without the imports, which Begin shows. */
function latest<J extends { kind: string }>(jobs: readonly J[]): J[] {
  return jobs.filter((j, i) => j.kind !== "import" && jobs.findIndex((o) => o.kind === j.kind) === i).slice(0, SHOWN);
}
