// Scores as a table with one row a measure: the twin first, then what it is held against.
import type { Schema } from "../../api";

export type Score = Schema["ScoreInfo"];
export interface Row {
  metric: string;
  unit: string;
  better: string;
  cells: Map<string, Score>;
}
export interface Refused {
  metric: string;
  reason: string;
}

const ORDER = ["voice", "assisted", "prompted", "base", "impostor", "self"];
const place = (system: string) => (ORDER.includes(system) ? ORDER.indexOf(system) : ORDER.length);

/** Systems in their order, the rows that have a value, and the measures that have none with the reason. */
export function pivot(scores: readonly Score[]): { systems: string[]; rows: Row[]; refused: Refused[] } {
  const rows = new Map<string, Row>();
  for (const score of scores) {
    if (score.group !== "all") continue;
    const row = rows.get(score.metric) ?? { metric: score.metric, unit: score.unit ?? "", better: score.better ?? "", cells: new Map() };
    row.cells.set(score.system === "process" ? "voice" : score.system, score); // of the program, not of a system
    rows.set(score.metric, row);
  }
  const all = [...rows.values()];
  const told = all.filter((row) => [...row.cells.values()].some((c) => c.value != null));
  const systems = new Set(told.flatMap((row) => [...row.cells.keys()]));
  return {
    systems: [...systems].sort((a, b) => place(a) - place(b)),
    rows: told,
    refused: all
      .filter((row) => !told.includes(row))
      .map((row) => ({ metric: row.metric, reason: [...row.cells.values()].find((c) => c.refused)?.refused ?? "" })),
  };
}

/** A few digits that suit the magnitude. */
export const digits = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(3);
