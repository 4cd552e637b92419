// From an export to the first chat, one question at a time. What was begun is found again after a reload.
import { useEffect, useState } from "react";

import type { Props } from "../../App";
import { client, Failed, got, type Schema } from "../../api";
import { follow, type Job, type Note, start } from "../../jobs";
import { go } from "../../route";
import { Page, Trouble, Waiting } from "../../ui";
import { useDoing } from "../../use";
import { t } from "../../words";
import { Bring } from "./Bring";
import { Others } from "./Others";
import { type Chosen, Plan } from "./Plan";
import { Stages } from "./Stages";

type Upload = Schema["Upload"];
type Step = "bring" | "me" | "others" | "plan" | "make";
const STEPS: readonly [Step, string][] = [
  ["bring", t.step_bring], ["me", t.step_me], ["others", t.step_others], ["plan", t.step_plan], ["make", t.step_make],
];

export default function Welcome({ renew }: Props) {
  const [step, setStep] = useState<Step | null>(null);
  const [files, setFiles] = useState<Upload[]>([]);
  const [who, setWho] = useState<string[]>([]);
  const [me, setMe] = useState("");
  const [job, setJob] = useState<Job | null>(null);
  const [reading, setReading] = useState<Note | null>(null);
  const doing = useDoing();
  const names = files.map((f) => f.name);

  useEffect(() => {
    go("welcome"); // a reload comes back here, even when a half-made twin could answer already
    doing.run(async () => {
      const [brought, jobs] = await Promise.all([got(client.GET("/api/inbox")), got(client.GET("/api/jobs"))]);
      setFiles(brought);
      const making = jobs.find((j) => j.kind === "make");
      if (making?.state === "running") {
        setJob(making);
        setStep("make");
      } else setStep("bring");
    });
  }, [doing.run]);

  function read(named: string) {
    doing.run(async () => {
      const begun = await start({ kind: "import", files: names, me: named });
      const hear = (note: Note) => note.name === "progress" && setReading(note.finished ? null : note);
      const end = await follow(begun.id, hear, new AbortController().signal);
      setReading(null);
      if (end?.state === "done") {
        setMe(named);
        setStep("others");
        return;
      }
      if (!end?.candidates.length) throw new Failed(0, end?.error || t.failed, end?.hint);
      setWho(end.candidates);
      setStep("me");
    });
  }

  function make(chosen: Chosen) {
    doing.run(async () => {
      setJob(await start({ kind: "make", files: names, me, ...chosen }));
      setStep("make");
    });
  }

  if (!step) return <Page title={t.welcomeTitle}>{doing.error ? <Trouble error={doing.error} /> : <Waiting />}</Page>;
  return (
    <Page title={t.welcomeTitle} lead={t.welcomeLead}>
      <Steps now={step} />
      {step === "bring" && <Bring files={files} set={setFiles} read={() => read("")} busy={doing.busy} />}
      {step === "me" && <Me who={who} chosen={read} busy={doing.busy} />}
      {step === "others" && <Others next={() => setStep("plan")} />}
      {step === "plan" && <section className="space-y-4"><h2>{t.planTitle}</h2><Plan start={make} busy={doing.busy} /></section>}
      {step === "make" && job && <Stages job={job} again={setJob} renew={renew} />}
      {doing.busy && step !== "make" && <Waiting what={t.reading} />}
      {reading && (
        <p className="flex items-center gap-4">
          <progress className="w-full max-w-md accent-act" value={reading.total ? reading.done : undefined} max={reading.total ?? undefined} aria-label={t.reading} />
          <span className="text-sm tabular-nums text-quiet">{reading.done}{reading.total ? ` / ${reading.total}` : ""}</span>
        </p>
      )}
      <Trouble error={doing.error} />
    </Page>
  );
}

function Steps({ now }: { now: Step }) {
  const at = STEPS.findIndex(([step]) => step === now);
  return (
    <ol aria-label={t.stepsOf} className="flex flex-wrap gap-x-6 gap-y-2 text-sm text-quiet">
      {STEPS.map(([step, name], i) => (
        <li key={step} aria-current={i === at ? "step" : undefined}
          className="flex items-baseline gap-2 aria-[current=step]:font-semibold aria-[current=step]:text-ink">
          <span className={`tabular-nums ${i < at ? "text-good" : ""}`}>{i < at ? "✓" : i + 1}</span>
          <span className={i === at ? "" : "max-sm:sr-only"}>{name}</span>
        </li>
      ))}
    </ol>
  );
}

function Me({ who, chosen, busy }: { who: string[]; chosen: (name: string) => void; busy: boolean }) {
  return (
    <form className="space-y-4" onSubmit={(e) => {
      e.preventDefault();
      chosen(String(new FormData(e.currentTarget).get("me")));
    }}>
      <fieldset>
        <legend className="font-serif text-xl">{t.meTitle}</legend>
        <p className="text-quiet">{t.meLead}</p>
        <div className="mt-3 divide-y divide-line rounded-xl border border-line bg-sheet">
          {who.map((name) => (
            <label key={name} className="flex items-center gap-3 px-4 py-2.5">
              <input type="radio" name="me" value={name} required className="accent-act" /> {name}
            </label>
          ))}
        </div>
      </fieldset>
      <button className="button-main" disabled={busy}>{t.thatsMe}</button>
    </form>
  );
}
