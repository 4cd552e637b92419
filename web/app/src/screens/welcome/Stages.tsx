// The stages of making a twin as they pass, and the way to the first chat.
import { type Job, startAgain, useJob } from "../../jobs";
import { go } from "../../route";
import { Trouble } from "../../ui";
import { useDoing } from "../../use";
import { t } from "../../words";
import { Curve } from "../train/Curve";

const STAGES = ["import", "portrait", "build", "remember", "train", "evaluate"] as const;

export function Stages({ job, again, renew }: { job: Job; again: (job: Job) => void; renew: () => Promise<void> }) {
  const { notes, end, error } = useJob(job.id);
  const doing = useDoing();
  const at = STAGES.indexOf(notes.findLast((n) => n.name === "stage")?.stage as (typeof STAGES)[number]);
  const now = notes.findLast((n) => n.name === "progress" && !!n.total);
  const done = end?.state === "done";
  return (
    <section className="space-y-5">
      <h2>{t.stages}</h2>
      <ol className="space-y-1">
        {STAGES.map((stage, i) => (
          <li key={stage} aria-current={!end && i === at ? "step" : undefined}
            className="text-quiet aria-[current=step]:font-semibold aria-[current=step]:text-ink">
            <span className="inline-block w-7 text-good" aria-hidden>{done || i < at ? "✓" : i === at && !end ? "→" : ""}</span>
            {t[`stage_${stage}`]}
          </li>
        ))}
      </ol>
      {!end && now?.total && <progress className="w-full accent-act" value={now.done} max={now.total} aria-label={t.stages} />}
      <Curve notes={notes} />
      <Trouble error={error ?? doing.error} />
      {end && !done && (
        <div role="alert" className="space-y-2">
          <p className="text-warn">{end.error || t[`state_${end.state}`]}</p>
          <p className="text-quiet">{end.hint}</p>
          <button type="button" className="button" onClick={() => doing.run(async () => again(await startAgain(job)))}>{t.tryAgain}</button>
        </div>
      )}
      {done && (
        <button type="button" className="button-main" disabled={doing.busy} onClick={() => doing.run(async () => {
          await renew();
          go("chat");
        })}>{t.firstChat}</button>
      )}
    </section>
  );
}
