// The readings of one metric over time, as a line with its intervals and the latest figure.
import type { Schema } from "../../api";
import { day } from "../../ui";
import { measure } from "../../words/names";
import { digits } from "../likeness/pivot";

const WIDE = 300;
const TALL = 60;

export function Series({ of: { metric, points } }: { of: Schema["Series"] }) {
  const last = points.at(-1);
  if (!last) return null;
  const all = points.flatMap((p) => [p.value, p.low ?? p.value, p.high ?? p.value]);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const x = (i: number) => 5 + (i / Math.max(1, points.length - 1)) * (WIDE - 10);
  const y = (v: number) => TALL - 5 - ((v - low) / (high - low || 1)) * (TALL - 10);
  const name = measure(metric);
  return (
    <li>
      <p className="flex items-baseline justify-between gap-3"><span>{name}</span><b className="font-semibold tabular-nums">{digits(last.value)}</b></p>
      <svg viewBox={`0 0 ${WIDE} ${TALL}`} className="w-full" role="img" aria-label={`${name}: ${points.map((p) => digits(p.value)).join(", ")}`}>
        {points.map((p, i) => p.low != null && p.high != null && (
          <line key={p.time} x1={x(i)} x2={x(i)} y1={y(p.low)} y2={y(p.high)} className="stroke-act/40" strokeWidth="4" />
        ))}
        <polyline points={points.map((p, i) => `${x(i)},${y(p.value)}`).join(" ")} className="fill-none stroke-act" strokeWidth="2" />
        {points.map((p, i) => <circle key={p.time} cx={x(i)} cy={y(p.value)} r="3" className="fill-act" />)}
      </svg>
      <p className="text-sm tabular-nums text-quiet">
        {day(last.time)} · n = {last.n}{last.low != null && last.high != null && ` · ${digits(last.low)} – ${digits(last.high)}`}
      </p>
    </li>
  );
}
