import { expect, test } from "vitest";

import { en } from "./en";
import { vi } from "./vi";

const modules = import.meta.glob<string>(["../**/*.{ts,tsx}", "!../words/*", "!../**/*.test.ts"], { query: "?raw", import: "default", eager: true });
const sources = Object.values(modules).join("\n");

test("every word of one language is in the other, of the same kind and not empty", () => {
  expect(Object.keys(vi)).toEqual(Object.keys(en));
  for (const [key, said] of Object.entries(vi)) {
    const english = en[key as keyof typeof en];
    expect(typeof said, key).toBe(typeof english);
    if (typeof said === "string") expect(said.trim(), key).not.toBe("");
    else expect((said as () => string).length, key).toBe((english as () => string).length);
  }
});

test("Vietnamese is not English left standing", () => {
  const same = Object.entries(vi).filter(([key, said]) => typeof said === "string" && said === en[key as keyof typeof en]);
  expect(same.map(([key]) => key)).toEqual([]);
});

test("no word is kept that nobody says", () => {
  const families = /^(stage|state|step|made|way|sys|scope|kind)_/; // said by a computed key
  const unsaid = Object.keys(en).filter((key) => key !== "code" && !families.test(key) && !new RegExp(`\\bt\\.${key}\\b`).test(sources));
  const screens = ["chat", "train", "likeness", "traits", "compare", "synth", "monitor", "privacy", "welcome", "dark", "light", "include", "context", "exclude"];
  expect(unsaid.filter((key) => !screens.includes(key))).toEqual([]);
});
