// One piece of long work as it goes: its state, how far it is, its curve, pause and go on.
import { type Job, startAgain, stop, useJob } from "../../jobs";
import { Trouble, when } from "../../ui";
import { t } from "../../words";
import { Curve } from "./Curve";

export const KIND = {
  import: t.stage_import,
  build: t.stage_build,
  remember: t.stage_remember,
  train: t.stage_train,
  evaluate: t.stage_evaluate,
  audit: t.stage_audit,
  make: t.stage_make,
  improve: t.stage_improve,
} as const;

export const named = (kind: string): string => KIND[kind as keyof typeof KIND] ?? kind;

export function Work({ job, act }: { job: Job; act: (work: () => Promise<unknown>) => void }) {
  const { notes, end, error } = useJob(job.id);
  const state = end?.state ?? job.state;
  const last = notes.findLast((n) => n.name === "progress" && !!n.total);
  const over = state === "stopped" || state === "lost" || state === "failed";
  return (
    <section className="sheet space-y-4">
      <div className="flex flex-wrap items-baseline gap-x-4 gap-y-1">
        <h2>{named(job.kind)}</h2>
        <span role="status" className="text-quiet">{t[`state_${state}`]}</span>
        <span className="text-sm text-quiet">{when(job.created)}</span>
        <span className="ml-auto">
          {state === "running" && <button type="button" className="button" onClick={() => act(() => stop(job.id))}>{t.pause}</button>}
          {over && <button type="button" className="button" onClick={() => act(() => startAgain(job))}>{t.resume}</button>}
        </span>
      </div>
      {last?.total && state === "running" && (
        <div className="flex items-center gap-4">
          <progress className="flex-1 accent-act" value={last.done} max={last.total} aria-label={named(job.kind)} />
          <span className="text-sm tabular-nums text-quiet">{last.done} / {last.total}</span>
        </div>
      )}
      <Curve notes={notes} />
      {end?.summary && <p className="text-quiet">{end.summary}</p>}
      {end?.error && <p className="text-warn">{end.error}<span className="block text-quiet">{end.hint}</span></p>}
      <Trouble error={error} />
    </section>
  );
}
