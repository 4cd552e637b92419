// From an export to the first chat, one question at a time. What was begun is found again after a reload.
import { useEffect, useState } from "react";

import type { Props } from "../../App";
import { client, Failed, got, type Schema } from "../../api";
import { follow, type Job, start } from "../../jobs";
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
const ORDER: readonly Step[] = ["bring", "me", "others", "plan", "make"];

export default function Welcome({ renew }: Props) {
  const [step, setStep] = useState<Step | null>(null);
  const [files, setFiles] = useState<Upload[]>([]);
  const [who, setWho] = useState<string[]>([]);
  const [me, setMe] = useState("");
  const [job, setJob] = useState<Job | null>(null);
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
      const end = await follow(begun.id, () => undefined, new AbortController().signal);
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
      <p className="text-sm text-quiet">{t.step(ORDER.indexOf(step) + 1)}</p>
      {step === "bring" && <Bring files={files} set={setFiles} read={() => read("")} busy={doing.busy} />}
      {step === "me" && <Me who={who} chosen={read} busy={doing.busy} />}
      {step === "others" && <Others next={() => setStep("plan")} />}
      {step === "plan" && <section className="space-y-4"><h2>{t.planTitle}</h2><Plan start={make} busy={doing.busy} /></section>}
      {step === "make" && job && <Stages job={job} again={setJob} renew={renew} />}
      {doing.busy && step !== "make" && <Waiting what={t.reading} />}
      <Trouble error={doing.error} />
    </Page>
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
