// The arithmetic of sliders: where they stand, what is written beside them, how strongly a word is shaded.
import type { Schema } from "../../api";

export type Trait = Schema["TraitInfo"];
export type Value = number | string | string[] | null;
/** A trait that is not here is not known of the writer. */
export type Setting = Record<string, Value>;

/** The two ends of a slider, in the trait's own unit; levels of an ordinal count from 0. */
export function ends(trait: Trait): [number, number] {
  if (trait.levels?.length) return [0, trait.levels.length - 1];
  if (trait.period) return [0, trait.period];
  return [trait.low ?? 0, trait.high ?? 1];
}

/** A step that a hand can feel: whole numbers where the range is wide. */
export function step(trait: Trait): number {
  if (trait.levels?.length) return 1;
  const [low, high] = ends(trait);
  return high - low >= 10 ? 1 : (high - low) / 40 || 1;
}

/** `count` places along a slider, both ends among them; by ratio where the trait is taken by its logarithm. */
export function places(trait: Trait, count: number): number[] {
  const [low, high] = ends(trait);
  if (trait.levels?.length) return trait.levels.map((_, i) => i);
  const ratio = trait.log && low > 0;
  return Array.from({ length: count }, (_, i) => {
    const share = count > 1 ? i / (count - 1) : 0.5;
    return ratio ? low * (high / low) ** share : low + (high - low) * share;
  });
}

/** A value for a person to read; years have no thousands. */
export function shown(trait: Trait, value: Value | undefined): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "string") return value;
  const level = trait.levels?.[Math.round(value)];
  if (level !== undefined) return level;
  const wide = Math.abs(value) >= 100 || Number.isInteger(value);
  return value.toLocaleString("en", { useGrouping: Math.abs(value) >= 10_000, maximumFractionDigits: wide ? 0 : 1 });
}

/** What the server is given: an ordinal by its level. */
export function sent(traits: readonly Trait[], setting: Setting): Setting {
  return Object.fromEntries(
    Object.entries(setting).map(([name, value]) => {
      const levels = traits.find((t) => t.name === name && t.slider)?.levels;
      return [name, typeof value === "number" && levels?.length ? (levels[Math.round(value)] ?? null) : value];
    }),
  );
}

/** Shades of a word, from clearly unlikelier to clearly likelier; classes, so that no style is written inline. */
const UNLIKELIER = ["", "bg-warn/10", "bg-warn/18", "bg-warn/26", "bg-warn/34"] as const;
const LIKELIER = ["", "bg-act/10", "bg-act/18", "bg-act/26", "bg-act/34"] as const;

/** The class of a value, when `most` is the largest magnitude in sight. */
export function heat(value: number, most: number): string {
  if (most <= 0) return "";
  const depth = Math.min(4, Math.round((Math.abs(value) / most) * 4));
  return (value < 0 ? UNLIKELIER : LIKELIER)[depth] ?? "";
}

/** The largest magnitude among words. */
export const most = (words: readonly { value: number }[]): number => Math.max(0, ...words.map((w) => Math.abs(w.value)));

/** A signed number of a few digits. */
export const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

/** Names of columns are written with underscores. */
export const plain = (name: string): string => name.replaceAll("_", " ");
