// Every string a person reads, in the language of the browser or the one chosen.
import { en } from "./en";
import { vi } from "./vi";

/** One text for every key of English; a missing one does not compile. */
export type Words = { [K in keyof typeof en]: (typeof en)[K] extends (...said: never[]) => string ? (typeof en)[K] : string };

const KEY = "gemel-language";
const chosen = localStorage.getItem(KEY) ?? navigator.language.slice(0, 2);
export const t: Words = chosen === "vi" ? vi : en;
document.documentElement.lang = t.code;

export function speak(code: string): void {
  localStorage.setItem(KEY, code);
  location.reload();
}
