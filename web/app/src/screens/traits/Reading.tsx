// A text of one's own under the lens: which words lean where, and what its writer sounds like to the model.
import { useState } from "react";

import { client, got, type Schema } from "../../api";
import { Trouble, Waiting } from "../../ui";
import { useDoing } from "../../use";
import { t } from "../../words";
import { Check, type Gradient, slopes } from "./Check";
import { plain, type Setting, sent, signed, type Trait } from "./values";
import { Key, Numbers, Shaded } from "./Words";

type Inversion = Schema["InversionInfo"];

export function Reading({ traits, moved, setting, prompt }: {
  traits: readonly Trait[];
  moved: Trait;
  setting: Setting;
  prompt: string;
}) {
  const [text, setText] = useState("");
  const [found, setFound] = useState<Gradient | null>(null);
  const [heard, setHeard] = useState<Inversion[]>([]);
  const doing = useDoing();
  const checking = useDoing();
  const given = sent(traits, setting);
  const read = () => doing.run(async () => {
    const [gradient, inversion] = await Promise.all([
      slopes(text, moved.name, given, prompt, false),
      got(client.POST("/api/traits/invert", { body: { text, prompt, traits: [], setting: given } })),
    ]);
    setFound(gradient);
    setHeard([...inversion.traits].sort((a, b) => b.bits - a.bits));
  });
  return (
    <section className="space-y-4">
      <h2>{t.ownText}</h2>
      <p className="max-w-prose text-quiet">{t.readingLead}</p>
      <form className="space-y-3" onSubmit={(e) => { e.preventDefault(); read(); }}>
        <textarea className="field font-serif text-base" rows={4} aria-label={t.yourText} placeholder={t.yourText} required maxLength={8000}
          value={text} onChange={(e) => { setText(e.target.value); setFound(null); setHeard([]); }} />
        <button className="button-main" disabled={doing.busy}>{t.readIt}</button>
      </form>
      {doing.busy && <Waiting />}
      <Trouble error={doing.error} />
      {found && (
        <div className="space-y-3">
          <Key trait={found.trait} />
          <div className="sheet"><Shaded words={found.words} /></div>
          <p className="tabular-nums text-quiet">
            {t.at(plain(found.trait), found.at)} S = {signed(found.score)} {t.natsPerSd} · log p = {found.logp.toFixed(1)}
            {found.cut && ` · ${t.textCut}`}
          </p>
          <Check found={found} doing={checking} check={() => checking.run(async () =>
            setFound(await slopes(text, moved.name, given, prompt, true)))} />
          <Numbers words={found.words} trait={found.trait} />
        </div>
      )}
      {heard.length > 0 && <Heard heard={heard} />}
    </section>
  );
}

function Heard({ heard }: { heard: readonly Inversion[] }) {
  return (
    <div>
      <h3 className="text-lg">{t.soundsLike}</h3>
      <p className="max-w-prose text-sm text-quiet">{t.soundsLikeLead}</p>
      <ul className="mt-3 grid gap-x-8 gap-y-5 sm:grid-cols-2">
        {heard.map((i) => (
          <li key={i.trait}>
            <p className="flex items-baseline justify-between gap-3">
              <span>{plain(i.trait)}</span>
              <span className="font-serif text-lg">{i.best}</span>
            </p>
            <Belief of={i} />
            <p className="text-sm tabular-nums text-quiet">
              {i.low && `95 %: ${i.low} – ${i.high} · `}{t.tells(i.bits)}
            </p>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** The belief after reading as bars, the belief before as a line above them. */
function Belief({ of: { trait, labels, prior, posterior } }: { of: Inversion }) {
  const wide = 100 / labels.length;
  const high = Math.max(...prior, ...posterior);
  const y = (p: number) => 19.5 - (p / high) * 18;
  return (
    <svg viewBox="0 0 100 20" preserveAspectRatio="none" className="mt-1 h-12 w-full" role="img" aria-label={`${t.belief} ${plain(trait)}`}>
      {posterior.map((p, i) => <rect key={i} x={i * wide + wide * 0.1} width={wide * 0.8} y={y(p)} height={20 - y(p)} className="fill-act/55" />)}
      <polyline points={prior.map((p, i) => `${(i + 0.5) * wide},${y(p)}`).join(" ")} className="fill-none stroke-quiet" strokeWidth="1.2" vectorEffect="non-scaling-stroke" strokeDasharray="3 3" />
      <line x1="0" x2="100" y1="19.7" y2="19.7" className="stroke-line" strokeWidth="0.6" />
    </svg>
  );
}
