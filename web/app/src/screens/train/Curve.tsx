// The loss of a training as it falls, drawn from the journal; the same figures stand below it as text.
import type { Note } from "../../jobs";
import { t } from "../../words";

const WIDTH = 600;
const HEIGHT = 180;

export function Curve({ notes }: { notes: readonly Note[] }) {
  const train = points(notes, "train.step");
  const valid = points(notes, "train.valid");
  const all = [...train, ...valid];
  if (all.length < 2) return null;
  const last = Math.max(...all.map((p) => p[0]), 1);
  const high = Math.max(...all.map((p) => p[1]));
  const low = Math.min(...all.map((p) => p[1]));
  const x = (step: number) => (step / last) * WIDTH;
  const y = (loss: number) => HEIGHT - ((loss - low) / (high - low || 1)) * (HEIGHT - 12) - 6;
  const line = (of: readonly [number, number][]) => of.map(([s, l]) => `${x(s).toFixed(1)},${y(l).toFixed(1)}`).join(" ");
  const said = [...valid].at(-1)?.[1] ?? train.at(-1)?.[1] ?? 0;
  return (
    <figure>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} className="w-full" role="img" aria-label={`${t.loss}: ${said.toFixed(3)}`}>
        <line x1="0" x2={WIDTH} y1={HEIGHT - 1} y2={HEIGHT - 1} className="stroke-line" />
        <polyline points={line(train)} fill="none" className="stroke-quiet" strokeWidth="1.5" strokeDasharray="3 3" />
        <polyline points={line(valid)} fill="none" className="stroke-act" strokeWidth="2.5" />
        {valid.map(([s, l]) => <circle key={s} cx={x(s)} cy={y(l)} r="3.5" className="fill-act" />)}
      </svg>
      <figcaption className="flex flex-wrap gap-x-6 text-sm text-quiet">
        <span>┄ {t.loss} {t.lossTrain}: <b className="tabular-nums">{train.at(-1)?.[1].toFixed(3) ?? "–"}</b></span>
        <span className="text-act">● {t.loss} {t.lossValid}: <b className="tabular-nums">{valid.at(-1)?.[1].toFixed(3) ?? "–"}</b></span>
        <span className="tabular-nums">{train.at(-1)?.[0] ?? 0} {t.steps}</span>
      </figcaption>
    </figure>
  );
}

function points(notes: readonly Note[], name: string): [number, number][] {
  return notes.filter((n) => n.name === name && n.loss !== undefined).map((n) => [n.step ?? 0, n.loss ?? 0]);
}
