// What is compared: voices, ways to answer and temperatures, each under a name of one's own.
import { useEffect, useState } from "react";

import { client, got, type Schema } from "../../api";
import { Trouble } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";

type Arm = Schema["ArmInfo"];
const WAYS = { voice: t.way_voice, assisted: t.way_assisted, memory: t.way_memory, prompted: t.way_prompted } as const;

export function Arms({ arms, changed }: { arms: Arm[]; changed: () => void }) {
  const runs = useAsked(() => got(client.GET("/api/runs")));
  const [draft, setDraft] = useState(arms);
  const doing = useDoing();
  useEffect(() => setDraft(arms), [arms]);
  const put = (i: number, part: Partial<Arm>) => setDraft(draft.map((arm, j) => (i === j ? { ...arm, ...part } : arm)));
  const fresh = (): Arm => ({ id: `arm-${crypto.randomUUID().slice(0, 8)}`, title: "", run: "", way: "voice", rules: [], temperature: 1, top_p: 1 });
  return (
    <section>
      <details>
        <summary className="font-serif text-xl">{t.arms}</summary>
        <form className="mt-4 space-y-4" onSubmit={(e) => {
          e.preventDefault();
          doing.run(async () => {
            await got(client.PUT("/api/compare/arms", { body: { arms: draft } }));
            changed();
          });
        }}>
          <ul className="space-y-4">
            {draft.map((arm, i) => (
              <li key={arm.id} className="grid items-end gap-3 border-b border-line pb-4 sm:grid-cols-[2fr_2fr_2fr_1fr_auto]">
                <Labelled name={t.armName}><input className="field mt-1" value={arm.title} maxLength={100} onChange={(e) => put(i, { title: e.target.value })} placeholder={arm.id} /></Labelled>
                <Labelled name={t.sys_voice}>
                  <select className="field mt-1" value={arm.run} onChange={(e) => put(i, { run: e.target.value })}>
                    <option value="">{t.current}</option>
                    {runs.value?.map((r) => <option key={r.id}>{r.id}</option>)}
                  </select>
                </Labelled>
                <Labelled name={t.answersBy}>
                  <select className="field mt-1" value={arm.way} onChange={(e) => put(i, { way: e.target.value as Arm["way"] })}>
                    {Object.entries(WAYS).map(([way, said]) => <option key={way} value={way}>{said}</option>)}
                  </select>
                </Labelled>
                <Labelled name={t.temperature}>
                  <input className="field mt-1" type="number" min={0} max={2} step={0.1} value={arm.temperature} onChange={(e) => put(i, { temperature: e.target.valueAsNumber || 0 })} />
                </Labelled>
                <button type="button" className="link pb-2" aria-label={`${t.remove}: ${arm.title || arm.id}`} onClick={() => setDraft(draft.filter((_, j) => j !== i))}>{t.remove}</button>
              </li>
            ))}
          </ul>
          <Trouble error={runs.error ?? doing.error} />
          <div className="flex gap-3">
            <button type="button" className="button" onClick={() => setDraft([...draft, fresh()])}>{t.addArm}</button>
            <button className="button-main" disabled={doing.busy || draft.length < 2}>{t.save}</button>
          </div>
        </form>
      </details>
    </section>
  );
}

function Labelled({ name, children }: { name: string; children: React.ReactNode }) {
  return <label className="block min-w-0"><span className="text-sm text-quiet">{name}</span>{children}</label>;
}
