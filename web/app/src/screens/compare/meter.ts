// How far the votes on a pair are on their way to a decision.
import type { Schema } from "../../api";

export type Weighed = Schema["Weighed"];

/** The share of the way, 0 to 1: evidence multiplies, so the way is measured in its logarithm. */
export function way(pair: Pick<Weighed, "e" | "threshold" | "decision">): number {
  if (pair.decision) return 1;
  if (pair.e <= 1 || pair.threshold <= 1) return 0;
  return Math.min(1, Math.log(pair.e) / Math.log(pair.threshold));
}
