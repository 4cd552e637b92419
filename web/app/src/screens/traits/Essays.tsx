// Essays that share their chance, one for every place of the slider: only what the trait touches differs.
import { useState } from "react";

import { client, got, type Schema } from "../../api";
import { Trouble, Waiting } from "../../ui";
import { useDoing } from "../../use";
import { t } from "../../words";
import { Check, type Gradient, slopes } from "./Check";
import { most, places, plain, type Setting, sent, shown, signed, type Trait } from "./values";
import { Key, Numbers, Shaded } from "./Words";

const PLACES = 21;
type Essay = Schema["EssayInfo"];

interface Written {
  trait: Trait;
  at: number[];
  settings: Setting[];
  essays: Essay[];
  prompt: string;
}

export function Essays({ traits, moved, setting, gamma, prompt }: {
  traits: readonly Trait[];
  moved: Trait;
  setting: Setting;
  gamma: number;
  prompt: string;
}) {
  const [written, setWritten] = useState<Written | null>(null);
  const [seed, setSeed] = useState(0);
  const doing = useDoing();
  const write = (chance: number) => doing.run(async () => {
    const at = places(moved, PLACES);
    const settings = at.map((value) => sent(traits, { ...setting, [moved.name]: value }));
    const guidance = gamma === 1 ? {} : { [moved.name]: gamma };
    const body = { prompt, settings, seed: chance, shade: moved.name, guidance, compare: "first" as const, max_tokens: 60 };
    const { essays } = await got(client.POST("/api/traits/essays", { body }));
    setSeed(chance);
    setWritten({ trait: moved, at, settings, essays, prompt });
  });
  return (
    <section className="space-y-4">
      <h2>{t.essays}</h2>
      <p className="max-w-prose text-quiet">{t.essaysLead(plain(moved.name))}</p>
      <div className="flex flex-wrap gap-3">
        <button type="button" className="button-main" disabled={doing.busy} onClick={() => write(seed)}>{t.writeThem}</button>
        {written && <button type="button" className="button" disabled={doing.busy} onClick={() => write(seed + 1)}>{t.otherChance}</button>}
      </div>
      {doing.busy && <Waiting what={t.writingThem(places(moved, PLACES).length)} />}
      <Trouble error={doing.error} />
      {written && <Sweep key={`${written.trait.name} ${seed} ${written.prompt}`} written={written} />}
    </section>
  );
}

function Sweep({ written: { trait, at, settings, essays, prompt } }: { written: Written }) {
  const [here, setHere] = useState(Math.floor(at.length / 2));
  const [found, setFound] = useState<{ here: number; gradient: Gradient } | null>(null);
  const doing = useDoing();
  const [first, essay] = [essays[0], essays[here]];
  if (!first || !essay) return null;
  const depth = Math.max(...essays.map((e) => most(e.words)));
  const changed = essay.words.filter((w) => w.new).length;
  return (
    <div className="space-y-4">
      <label className="block">
        <span className="flex items-baseline justify-between">
          {plain(trait.name)}
          <output className="font-serif text-xl">{shown(trait, at[here])}</output>
        </span>
        <input type="range" className="mt-1 w-full accent-act" min={0} max={at.length - 1} step={1} value={here}
          aria-valuetext={shown(trait, at[here])} onChange={(e) => setHere(e.target.valueAsNumber)} />
      </label>
      <Strip essays={essays} here={here} />
      <Key trait={trait.name} />
      <div className="grid gap-4 md:grid-cols-2">
        <Card title={`${plain(trait.name)} ${shown(trait, at[0])}`} essay={first} depth={depth} />
        <Card title={`${plain(trait.name)} ${shown(trait, at[here])}`} essay={essay} depth={depth} live />
      </div>
      <p className="text-sm text-quiet">{t.changedWords(changed, essay.words.length)}</p>
      <Check found={found?.here === here ? found.gradient : null} doing={doing} check={() => doing.run(async () =>
        setFound({ here, gradient: await slopes(essay.text, trait.name, settings[here] ?? {}, prompt, true) }))} />
      <Numbers words={found?.here === here ? found.gradient.words : essay.words} trait={trait.name} />
    </div>
  );
}

function Card({ title, essay, depth, live = false }: { title: string; essay: Essay; depth: number; live?: boolean }) {
  return (
    <article className="sheet" aria-live={live ? "polite" : undefined}>
      <h3 className="text-sm text-quiet">{title}</h3>
      <div className="mt-2"><Shaded words={essay.words} depth={depth} /></div>
      <p className="mt-3 text-sm tabular-nums text-quiet">S = {signed(essay.score)} {t.natsPerSd}{!essay.ended && ` · ${t.cutShort}`}</p>
    </article>
  );
}

/** How far each essay is from the first one: the share of its words that are new. */
function Strip({ essays, here }: { essays: readonly Essay[]; here: number }) {
  const wide = 100 / essays.length;
  return (
    <svg viewBox="0 0 100 8" preserveAspectRatio="none" className="h-6 w-full" role="img" aria-label={t.strip}>
      {essays.map((e, i) => {
        const share = e.words.filter((w) => w.new).length / Math.max(1, e.words.length);
        return <rect key={i} x={i * wide + 0.2} width={wide - 0.4} y={7.5 - share * 7} height={share * 7 + 0.5} className={i === here ? "fill-act" : "fill-line"} />;
      })}
    </svg>
  );
}
