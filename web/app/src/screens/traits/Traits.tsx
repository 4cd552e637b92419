// The voice as a function of what is known of the writer: move one trait and see what it alone changes.
import { useState } from "react";

import type { Props } from "../../App";
import { client, got, type Schema } from "../../api";
import { Page, Trouble, Waiting } from "../../ui";
import { useAsked } from "../../use";
import { t } from "../../words";
import { Essays } from "./Essays";
import { Effects, Loudness } from "./Measures";
import { Reading } from "./Reading";
import { Settings } from "./Settings";
import { plain, type Setting, type Trait } from "./values";

export default function Traits(_: Props) {
  const asked = useAsked(() => got(client.GET("/api/traits")));
  const info = asked.value;
  return (
    <Page title={t.traitsTitle} lead={info?.splice ? t.traitsLead : t.traitsAbout} wide>
      {!info && !asked.error && <Waiting />}
      <Trouble error={asked.error} />
      {info && !info.splice && <None />}
      {info?.splice && <Explorer info={info} />}
      <p className="max-w-prose text-sm text-quiet">{t.traitsCaution}</p>
    </Page>
  );
}

function None() {
  return (
    <section className="space-y-3">
      <p className="max-w-prose">{t.noTraits}</p>
      <pre className="w-fit max-w-full overflow-x-auto rounded-lg bg-tint px-4 py-2 font-mono text-sm" tabIndex={0}>gemel traits train --control</pre>
    </section>
  );
}

function Explorer({ info }: { info: Schema["TraitsInfo"] }) {
  const sliders = info.traits.filter((trait) => trait.slider);
  const [name, setName] = useState(sliders[0]?.name ?? "");
  const [setting, setSetting] = useState<Setting>({});
  const [prompt, setPrompt] = useState(info.prompt ?? "");
  const [gamma, setGamma] = useState(1);
  const moved = sliders.find((trait) => trait.name === name);
  return (
    <>
      <section className="space-y-5">
        <div className="grid gap-x-8 gap-y-4 sm:grid-cols-2">
          <label className="block">
            <span className="text-sm text-quiet">{t.movedTrait}</span>
            <select className="field mt-1" value={name} onChange={(e) => setName(e.target.value)}>
              {sliders.map((trait) => <option key={trait.name} value={trait.name}>{plain(trait.name)}</option>)}
            </select>
          </label>
          <label className="block">
            <span className="text-sm text-quiet">{t.prompt}</span>
            <input className="field mt-1" value={prompt} required maxLength={500} onChange={(e) => setPrompt(e.target.value)} />
          </label>
          {info.guidance && (
            <label className="block">
              <span className="flex justify-between text-sm text-quiet">
                {t.strength}<output className="font-semibold tabular-nums text-ink">× {gamma.toFixed(1)}</output>
              </span>
              <input type="range" className="mt-1 w-full accent-act" min={info.guidance.low} max={info.guidance.high} step={0.1}
                value={gamma} onChange={(e) => setGamma(e.target.valueAsNumber)} />
            </label>
          )}
        </div>
        <Settings traits={info.traits} setting={setting} set={setSetting} moved={name} />
      </section>
      {moved && <Moved moved={moved} {...{ traits: info.traits, setting, gamma, prompt }} />}
      <Loudness traits={info.traits} setting={setting} prompt={prompt} />
    </>
  );
}

function Moved({ moved, traits, setting, gamma, prompt }: {
  moved: Trait;
  traits: readonly Trait[];
  setting: Setting;
  gamma: number;
  prompt: string;
}) {
  return (
    <>
      <Essays {...{ moved, traits, setting, gamma, prompt }} />
      <Reading {...{ moved, traits, setting, prompt }} />
      <Effects {...{ moved, traits, setting, prompt }} />
    </>
  );
}
