// Which base learns, how long that takes here, and how long it may.
import { useState } from "react";

import { client, got, type Schema } from "../../api";
import { count, lasting, size, Trouble, Waiting } from "../../ui";
import { useAsked } from "../../use";
import { t } from "../../words";

type Base = Schema["BasePlan"];
/** What was chosen; without minutes the whole plan is done. */
export interface Chosen {
  base: string;
  minutes: number | undefined;
}

export function Plan({ start, busy, again = false }: { start: (chosen: Chosen) => void; busy: boolean; again?: boolean }) {
  const plan = useAsked(() => got(client.GET("/api/plan")));
  const [picked, setPicked] = useState("");
  const [minutes, setMinutes] = useState(2);
  const [bounded, setBounded] = useState(true);
  if (!plan.value) return plan.error ? <Trouble error={plan.error} /> : <Waiting what={t.pricing} />;
  const { bases, recommended, messages, tokens, epochs, device, threads, memory } = plan.value;
  const base = picked || recommended;
  const shown = bases.find((b) => b.name === base);
  const seconds = Math.min(shown?.seconds ?? Infinity, bounded ? minutes * 60 : Infinity);
  return (
    <form className="space-y-5" onSubmit={(e) => {
      e.preventDefault();
      start({ base, minutes: bounded ? minutes : undefined });
    }}>
      <p className="max-w-prose text-quiet">{t.planFacts(count(messages), count(tokens), epochs, `${device}, ${t.threads(threads)}`, size(memory))}</p>
      <fieldset>
        <legend className="font-semibold">{t.base}</legend>
        <div className="mt-2 divide-y divide-line rounded-xl border border-line bg-sheet">
          {bases.filter((b) => b.available).map((b) => <Choice key={b.name} base={b} on={b.name === base} best={b.name === recommended} pick={setPicked} />)}
        </div>
      </fieldset>
      <details>
        <summary className="text-quiet">{t.otherBases}</summary>
        <p className="mt-1 max-w-prose text-sm text-quiet">{t.otherBasesLead}</p>
        <div className="mt-2 overflow-x-auto" tabIndex={0} role="region" aria-label={t.otherBases}>
          <table className="table min-w-[32rem]">
            <thead><tr><th scope="col">{t.base}</th><th scope="col" className="text-right">{t.size}</th><th scope="col" className="text-right">{t.takes}</th><th scope="col" className="text-right">{t.needs}</th></tr></thead>
            <tbody className="tabular-nums">
              {bases.filter((b) => !b.available).map((b) => (
                <tr key={b.name}>
                  <th scope="row" className="border-t border-line break-all font-normal! text-ink!">{b.name}</th>
                  <td className="text-right">{count(b.parameters)}</td>
                  <td className="text-right">{lasting(b.seconds)}</td>
                  <td className="whitespace-nowrap text-right">{size(b.memory)}{!b.fits && <span className="block text-sm text-warn">{t.noRoom}</span>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
      <div className="flex flex-wrap items-end gap-x-5 gap-y-3">
        <label className="flex items-center gap-2 py-2">
          <input type="checkbox" className="accent-act" checked={bounded} onChange={(e) => setBounded(e.target.checked)} /> {t.stopAfter}
        </label>
        <label>
          <span className="text-sm text-quiet">{t.minutes}</span>
          <input className="field mt-1 block max-w-32" type="number" min={0.1} max={600} step="any" required disabled={!bounded} value={minutes}
            onChange={(e) => setMinutes(e.target.valueAsNumber)} />
        </label>
        <button className="button-main" disabled={busy || !shown?.fits}>{again ? t.trainAgain : t.startTraining}</button>
        {Number.isFinite(seconds) && <p className="py-2 text-quiet" role="status">{t.about(lasting(seconds))}</p>}
      </div>
    </form>
  );
}

function Choice({ base, on, best, pick }: { base: Base; on: boolean; best: boolean; pick: (name: string) => void }) {
  return (
    <label className="flex flex-wrap items-baseline gap-x-3 px-4 py-2.5">
      <input type="radio" name="base" className="accent-act" checked={on} disabled={!base.fits} onChange={() => pick(base.name)} />
      <span className="font-semibold">{base.name === "seedling" ? t.seedling : base.name}</span>
      {best && <span className="text-sm text-good">{t.recommended}</span>}
      <span className="ml-auto text-sm tabular-nums text-quiet">
        {count(base.parameters)} {t.weights} · {lasting(base.seconds)} · {base.fits ? size(base.memory) : t.noRoom}
      </span>
    </label>
  );
}
