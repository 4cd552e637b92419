// The training: its curve while it runs, pause and go on, a sample, and the voices there are.
import { useState } from "react";

import type { Props } from "../../App";
import { client, got } from "../../api";
import { start, startAgain, stop, useJob } from "../../jobs";
import { Page, Trouble, Waiting, when } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";
import { Curve } from "./Curve";
import { Sample } from "./Sample";

export default function Train({ twin, renew }: Props) {
  const jobs = useAsked(() => got(client.GET("/api/jobs")));
  const runs = useAsked(() => got(client.GET("/api/runs")));
  const doing = useDoing();
  const [minutes, setMinutes] = useState(2);
  const job = jobs.value?.find((j) => j.kind === "train" || j.kind === "make");
  const { notes, end, error } = useJob(job?.id);
  const state = end?.state ?? job?.state;
  const last = notes.findLast((n) => n.name === "progress" && n.task === "train");
  const act = (work: () => Promise<unknown>) => doing.run(async () => {
    await work();
    jobs.again();
    runs.again();
    await renew();
  });
  return (
    <Page title={t.trainTitle} lead={t.trainLead}>
      <Trouble error={jobs.error ?? runs.error ?? doing.error ?? error} />
      {!jobs.value && !jobs.error && <Waiting />}
      <form className="flex flex-wrap items-end gap-3" onSubmit={(e) => {
        e.preventDefault();
        act(() => start({ kind: "train", minutes }));
      }}>
        <label>
          <span className="text-sm text-quiet">{t.minutes}</span>
          <input className="field mt-1 block max-w-28" type="number" min={0.1} step="any" required value={minutes}
            onChange={(e) => setMinutes(e.target.valueAsNumber)} />
        </label>
        <button className="button-main" disabled={doing.busy || state === "running" || !twin}>{t.startTraining}</button>
      </form>
      {jobs.value && !job && <p className="text-quiet">{t.noTraining}</p>}
      {job && (
        <section className="sheet space-y-4">
          <div className="flex flex-wrap items-baseline gap-3">
            <h2>{when(job.created)}</h2>
            <span role="status" className="text-quiet">{state && t[`state_${state}`]}</span>
            <span className="ml-auto">
              {state === "running" && <button type="button" className="button" onClick={() => act(() => stop(job.id))}>{t.pause}</button>}
              {(state === "stopped" || state === "lost" || state === "failed") &&
                <button type="button" className="button" onClick={() => act(() => startAgain(job))}>{t.resume}</button>}
            </span>
          </div>
          {last?.total && state === "running" && <progress className="w-full accent-act" value={last.done} max={last.total} aria-label={t.stage_train} />}
          <Curve notes={notes} />
          {end?.error && <p className="text-warn">{end.error}<span className="block text-quiet">{end.hint}</span></p>}
        </section>
      )}
      {twin && <Sample twin={twin} />}
      {!!runs.value?.length && (
        <section>
          <h2>{t.voices}</h2>
          <ul className="mt-2 divide-y divide-line">
            {runs.value.map((r) => (
              <li key={r.id} className="flex flex-wrap gap-x-4 py-2">
                <span className="font-semibold">{r.id}</span>
                <span className="text-quiet">{when(r.finished)}</span>
                {r.current && <span className="text-good">{t.current}</span>}
                {!r.servable && <span className="text-warn">{t.unservable}</span>}
              </li>
            ))}
          </ul>
        </section>
      )}
    </Page>
  );
}
