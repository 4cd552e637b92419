// Who answers and how: which voice, to whom, in which year, how freely. What is chosen stands in the line above the talk.
import { useEffect, useRef } from "react";

import type { Twin } from "../../App";
import { client, got, type Schema } from "../../api";
import { useAsked } from "../../use";
import { t } from "../../words";
import type { Settings } from "./runtime";

type Model = Schema["Model"];
const WAYS = { voice: t.way_voice, assisted: t.way_assisted, memory: t.way_memory, prompted: t.way_prompted } as const;
const way = (name: string): string => WAYS[name as keyof typeof WAYS] ?? name;

export function first(twin: Twin | null): Settings {
  const ways = Object.entries(twin?.ways ?? {});
  return { model: (ways.find(([, w]) => w === twin?.answer) ?? ways[0])?.[0] ?? "", recipient: "", temperature: null, year: null };
}

export function Pickers({ twin, settings, set }: { twin: Twin; settings: Settings; set: (next: Settings) => void }) {
  const box = useRef<HTMLDetailsElement>(null);
  const models = useAsked(() => got(client.GET("/v1/models")));
  useEffect(() => {
    const close = (event: Event) => {
      const inside = event.target instanceof Node && box.current?.contains(event.target);
      if (box.current?.open && (event instanceof KeyboardEvent ? event.key === "Escape" : !inside)) box.current.open = false;
    };
    addEventListener("pointerdown", close);
    addEventListener("keydown", close);
    return () => {
      removeEventListener("pointerdown", close);
      removeEventListener("keydown", close);
    };
  }, []);
  const chosen = models.value?.data.find((m) => m.id === settings.model);
  const line = [chosen ? label(chosen) : way(twin.answer), settings.recipient && t.to(settings.recipient), settings.year].filter(Boolean).join(" · ");
  return (
    <details ref={box} className="relative">
      <summary className="link list-none" aria-label={`${t.settings}: ${line}`}>{line}</summary>
      <div className="absolute right-0 z-10 mt-2 w-80 max-w-[86vw] space-y-4 rounded-xl border border-line bg-sheet p-5 shadow-lg">
        <label className="block">
          <span className="text-quiet">{t.answersBy}</span>
          <select className="field mt-1" value={settings.model} onChange={(e) => set({ ...settings, model: e.target.value })}>
            <Choices models={models.value?.data ?? []} ways={twin.ways} />
          </select>
        </label>
        <label className="block">
          <span className="text-quiet">{t.toWhom}</span>
          <select className="field mt-1" value={settings.recipient} onChange={(e) => set({ ...settings, recipient: e.target.value })}>
            <option value="">{t.anyone}</option>
            {twin.partners.map((name) => <option key={name}>{name}</option>)}
          </select>
        </label>
        <Year known={twin.traits.includes("year")} settings={settings} set={set} />
        <Temperature settings={settings} set={set} />
      </div>
    </details>
  );
}

function Choices({ models, ways }: { models: readonly Model[]; ways: Record<string, string> }) {
  const earlier = models.filter((m) => !m.arm && !m.current);
  const arms = models.filter((m) => m.arm);
  return (
    <>
      {Object.entries(ways).map(([id, name]) => <option key={id} value={id}>{way(name)}</option>)}
      {earlier.length > 0 && (
        <optgroup label={t.otherVoices}>{earlier.map((m) => <option key={m.id} value={m.id}>{label(m)}</option>)}</optgroup>
      )}
      {arms.length > 0 && (
        <optgroup label={t.arms}>{arms.map((m) => <option key={m.id} value={m.id}>{m.arm}</option>)}</optgroup>
      )}
    </>
  );
}

const label = (m: Model): string => (m.arm ? m.arm : m.current ? way(m.way) : `${m.run}, ${way(m.way)}`);

function Year({ known, settings, set }: { known: boolean; settings: Settings; set: (next: Settings) => void }) {
  return (
    <label className="block">
      <span className="text-quiet">{t.year}</span>
      <input className="field mt-1 disabled:opacity-60" type="number" min={1600} max={2200} disabled={!known} placeholder={known ? t.anyYear : t.noYear} value={settings.year ?? ""}
        onChange={(e) => set({ ...settings, year: e.target.value ? e.target.valueAsNumber : null })} />
    </label>
  );
}

function Temperature({ settings, set }: { settings: Settings; set: (next: Settings) => void }) {
  const own = settings.temperature === null;
  return (
    <div>
      <label className="block">
        <span className="flex justify-between gap-3 text-quiet">{t.temperature}<output className="text-ink">{own ? t.ownTemperature : settings.temperature?.toFixed(1)}</output></span>
        <input className="mt-1 w-full accent-act" type="range" min={0} max={1.5} step={0.1} value={settings.temperature ?? 1}
          onChange={(e) => set({ ...settings, temperature: e.target.valueAsNumber })} />
      </label>
      {!own && <button type="button" className="link" onClick={() => set({ ...settings, temperature: null })}>{t.likeThePerson}</button>}
    </div>
  );
}
