// Hash routes: #/chat, #/train … The server knows one page only.
import { useSyncExternalStore } from "react";

export const SCREENS = ["chat", "train", "likeness", "traits", "compare", "synth", "monitor", "privacy", "welcome"] as const;
export type Screen = (typeof SCREENS)[number];

const read = (): string => location.hash;
const hear = (call: () => void): (() => void) => {
  addEventListener("hashchange", call);
  return () => removeEventListener("hashchange", call);
};

export function useScreen(): Screen | null {
  const hash = useSyncExternalStore(hear, read);
  const name = /^#\/(\w+)/.exec(hash)?.[1];
  return SCREENS.find((s) => s === name) ?? null;
}

export const go = (screen: Screen): void => {
  location.hash = `#/${screen}`;
};
