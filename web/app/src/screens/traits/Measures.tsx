// How strongly each trait shows, and how what is written changes along one: both with their intervals.
import { type FormEvent, useState } from "react";

import { client, got, type Schema } from "../../api";
import { Trouble, Waiting } from "../../ui";
import { useDoing } from "../../use";
import { t } from "../../words";
import { plain, type Setting, sent, signed, type Trait } from "./values";

interface Asked {
  traits: readonly Trait[];
  setting: Setting;
  prompt: string;
}

export function Loudness({ traits, setting, prompt }: Asked) {
  const [found, setFound] = useState<Schema["LoudnessInfo"][]>([]);
  const doing = useDoing();
  const high = Math.max(1e-9, ...found.map((f) => Math.max(f.loudness.high, f.control ?? 0)));
  return (
    <section className="space-y-4">
      <h2>{t.loudness}</h2>
      <p className="max-w-prose text-quiet">{t.loudnessLead}</p>
      <button type="button" className="button" disabled={doing.busy} onClick={() => doing.run(async () =>
        setFound(await got(client.POST("/api/traits/loudness", {
          body: { setting: sent(traits, setting), prompt, essays: 16, max_tokens: 40 },
        }))))}>{t.measureIt}</button>
      {doing.busy && <Waiting />}
      <Trouble error={doing.error} />
      {found.length > 0 && (
        <div className="overflow-x-auto" tabIndex={0} role="region" aria-label={t.loudness}>
          <table className="table min-w-[30rem]">
            <thead>
              <tr>
                <th scope="col">{t.trait}</th>
                <th scope="col" className="w-1/2"><span className="sr-only">{t.loudness}</span></th>
                <th scope="col" className="text-right">{t.bitsPerSd}</th>
                <th scope="col">{t.interval}</th>
              </tr>
            </thead>
            <tbody className="tabular-nums">
              {found.map(({ trait, loudness, control }) => (
                <tr key={trait}>
                  <th scope="row" className="border-t border-line text-ink!">{plain(trait)}</th>
                  <td><Bar of={loudness} control={control ?? null} high={high} /></td>
                  <td className="text-right">{loudness.value.toFixed(3)}</td>
                  <td className="text-sm text-quiet">
                    {loudness.low.toFixed(3)} – {loudness.high.toFixed(3)}
                    {control != null && loudness.low <= control && <span className="block">{t.noise}</span>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Bar({ of, control, high }: { of: Schema["Interval"]; control: number | null; high: number }) {
  const x = (value: number) => (Math.max(0, value) / high) * 99;
  return (
    <svg viewBox="0 0 100 12" preserveAspectRatio="none" className="h-4 w-full" aria-hidden>
      <rect x="0" y="2" height="8" width={x(of.value)} className="fill-act/60" />
      <line x1={x(of.low)} x2={x(of.high)} y1="6" y2="6" className="stroke-ink" strokeWidth="1.5" vectorEffect="non-scaling-stroke" />
      {control !== null && <line x1={x(control)} x2={x(control)} y1="0" y2="12" className="stroke-warn" strokeWidth="2" vectorEffect="non-scaling-stroke" />}
    </svg>
  );
}

export function Effects({ traits, setting, prompt, moved }: Asked & { moved: Trait }) {
  const [found, setFound] = useState<Schema["EffectsInfo"] | null>(null);
  const [word, setWord] = useState("");
  const doing = useDoing();
  function ask(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const { [moved.name]: _, ...others } = setting;
    const counted = String(new FormData(event.currentTarget).get("word")).trim();
    const body = { trait: moved.name, setting: sent(traits, others), prompt, word: counted, points: 5, essays: 16, max_tokens: 40, seed: 0 };
    doing.run(async () => {
      setFound(await got(client.POST("/api/traits/effects", { body })));
      setWord(counted);
    });
  }
  return (
    <section className="space-y-4">
      <h2>{t.effects}</h2>
      <p className="max-w-prose text-quiet">{t.effectsLead(plain(moved.name))}</p>
      <form className="flex flex-wrap items-end gap-3" onSubmit={ask}>
        <label className="min-w-48 flex-1">
          <span className="text-sm text-quiet">{t.mentions}</span>
          <input name="word" className="field mt-1" maxLength={60} placeholder={t.allWords} />
        </label>
        <button className="button" disabled={doing.busy}>{t.measureIt}</button>
      </form>
      {doing.busy && <Waiting />}
      <Trouble error={doing.error} />
      {found && <Line found={found} word={word} />}
    </section>
  );
}

const WIDE = 600;
const TALL = 200;

function Line({ found: { trait, points }, word }: { found: Schema["EffectsInfo"]; word: string }) {
  const us = points.map((p) => p.u);
  const [left, right] = [Math.min(...us), Math.max(...us)];
  const high = Math.max(...points.map((p) => p.mean.high), 0.1);
  const low = Math.min(0, ...points.map((p) => p.mean.low));
  const x = (u: number) => 20 + ((u - left) / (right - left || 1)) * (WIDE - 40);
  const y = (v: number) => TALL - 8 - ((v - low) / (high - low)) * (TALL - 16);
  const band = [...points.map((p) => [x(p.u), y(p.mean.high)]), ...points.toReversed().map((p) => [x(p.u), y(p.mean.low)])];
  const what = word ? t.mentionsOf(word) : t.wordsEach;
  return (
    <figure className="space-y-2">
      <figcaption className="text-sm text-quiet">{what}</figcaption>
      <svg viewBox={`0 0 ${WIDE} ${TALL}`} className="w-full" role="img" aria-label={`${what}, ${plain(trait)}`}>
        <line x1="0" x2={WIDE} y1={y(Math.max(low, 0))} y2={y(Math.max(low, 0))} className="stroke-line" />
        <polygon points={band.join(" ")} className="fill-act/15" />
        <polyline points={points.map((p) => `${x(p.u)},${y(p.mean.value)}`).join(" ")} className="fill-none stroke-act" strokeWidth="2.5" />
        {points.map((p) => {
          const run = (0.12 * (right - left)) || 0;
          return <line key={p.u} x1={x(p.u - run)} x2={x(p.u + run)} y1={y(p.mean.value - run * p.slope.value)} y2={y(p.mean.value + run * p.slope.value)} className="stroke-warn" strokeWidth="1.5" />;
        })}
        {points.map((p) => <circle key={p.u} cx={x(p.u)} cy={y(p.mean.value)} r="4" className="fill-act" />)}
      </svg>
      <div className="overflow-x-auto" tabIndex={0} role="region" aria-label={t.sameNumbers}>
        <table className="table min-w-[32rem]">
          <thead>
            <tr>
              <th scope="col">{plain(trait)}</th><th scope="col" className="text-right">{t.mean}</th><th scope="col">{t.interval}</th>
              <th scope="col" className="text-right">{t.slope}</th><th scope="col">{t.interval}</th>
            </tr>
          </thead>
          <tbody className="tabular-nums">
            {points.map((p) => (
              <tr key={p.u}>
                <th scope="row" className="border-t border-line text-ink!">{p.shown}</th>
                <td className="text-right">{p.mean.value.toFixed(2)}</td>
                <td className="text-sm text-quiet">{p.mean.low.toFixed(2)} – {p.mean.high.toFixed(2)}</td>
                <td className="text-right">{signed(p.slope.value)}</td>
                <td className="text-sm text-quiet">{signed(p.slope.low)} – {signed(p.slope.high)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="text-sm text-quiet">{t.effectsNote}</p>
    </figure>
  );
}
