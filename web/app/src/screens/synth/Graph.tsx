// Who came from whom: personas as a tree, the relation beside each; the one chosen is told in full below.
import { useMemo, useState } from "react";

import { client, got, type Schema } from "../../api";
import { Trouble, Waiting } from "../../ui";
import { useAsked } from "../../use";
import { t } from "../../words";
import { place } from "./tree";

type Made = Schema["Made"];
const WIDE = 250;
const TALL = 30;

export function Graph({ name }: { name: string }) {
  const graph = useAsked(() => got(client.GET("/api/synth/{name}/graph", { params: { path: { name } } })), [name]);
  const [chosen, setChosen] = useState<Made | null>(null);
  const tree = useMemo(() => place(graph.value?.people ?? []), [graph.value]);
  if (!graph.value) return graph.error ? <Trouble error={graph.error} /> : <Waiting />;
  const { placed, columns, rows } = tree;
  const at = (column: number, row: number): [number, number] => [column * WIDE + 12, row * TALL + TALL / 2];
  return (
    <section className="space-y-4">
      <h2>{t.relations}</h2>
      <p className="text-quiet">{t.relationsLead(graph.value.people.length, graph.value.total)}</p>
      <div className="max-h-[34rem] overflow-auto rounded-xl border border-line bg-sheet p-3" tabIndex={0} role="region" aria-label={t.relations}>
        <svg width={columns * WIDE} height={rows * TALL} className="text-sm">
          {placed.map(({ person, column, row, from }) => {
            const [x, y] = at(column, row);
            const parent = placed[from];
            const [px, py] = parent ? at(parent.column, parent.row) : [0, 0];
            return parent && <path key={person.id} d={`M ${px} ${py} C ${px + 190} ${py} ${x - 40} ${y} ${x} ${y}`} className="fill-none stroke-line" strokeWidth="1.5" />;
          })}
          {placed.map(({ person, column, row }) => {
            const [x, y] = at(column, row);
            const choose = () => setChosen(person);
            const label = short([person.relation, person.domain].filter(Boolean).join(" · ") || person.persona || "", 30);
            return (
              <g key={person.id} role="button" tabIndex={0} aria-pressed={chosen?.id === person.id} aria-label={`${label}: ${person.persona}`}
                className="group/node cursor-pointer" onClick={choose} onKeyDown={(e) => e.key === "Enter" && choose()}>
                <rect x={x - 8} y={y - 13} width={WIDE - 20} height="26" rx="6" className="fill-transparent group-aria-pressed/node:fill-tint" />
                <circle cx={x} cy={y} r="4" className={column ? "fill-quiet" : "fill-act"} />
                <text x={x + 10} y={y + 4.5} className="fill-ink stroke-sheet group-aria-pressed/node:stroke-tint" strokeWidth="4" paintOrder="stroke">
                  {label}
                </text>
              </g>
            );
          })}
        </svg>
      </div>
      {chosen && (
        <blockquote className="max-w-prose border-l-2 border-act pl-4" role="status">
          <p className="font-serif text-lg">{chosen.persona}</p>
          <p className="text-sm text-quiet">{[chosen.relation, chosen.domain].filter(Boolean).join(" · ")}</p>
        </blockquote>
      )}
    </section>
  );
}

const short = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
