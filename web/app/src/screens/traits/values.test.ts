import { expect, test } from "vitest";

import { ends, heat, most, places, sent, shown, signed, step, type Trait } from "./values";

const bare = { shares: [], levels: [], mean: null, sd: null, low: null, high: null, log: false, period: null };
const height: Trait = { ...bare, name: "height", kind: "number", slider: true, mean: 70, sd: 4, low: 60, high: 80 };
const income: Trait = { ...height, name: "income", low: 10_000, high: 1_000_000, log: true };
const hour: Trait = { ...height, name: "hour", low: 7, high: 23, period: 24 };
const drinks: Trait = { ...bare, name: "drinks", kind: "ordinal", slider: true, levels: ["never", "socially", "often"] };
const city: Trait = { ...bare, name: "city", kind: "category", slider: false, levels: ["Oslo", "Huế"], shares: [0.5, 0.5] };

test("places span the slider evenly, by ratio for a logarithm, by level for an ordinal", () => {
  expect(places(height, 5)).toEqual([60, 65, 70, 75, 80]);
  expect(places(income, 3).map(Math.round)).toEqual([10_000, 100_000, 1_000_000]);
  expect(places(drinks, 21)).toEqual([0, 1, 2]);
  expect(places(height, 1)).toEqual([70]);
});

test("a cyclic trait goes once around, an ordinal by whole levels", () => {
  expect(ends(hour)).toEqual([0, 24]);
  expect([step(drinks), step(height)]).toEqual([1, 1]);
  expect(step({ ...height, low: 0, high: 2 })).toBeCloseTo(0.05);
});

test("values are shown as people write them", () => {
  expect(shown({ ...height, name: "year", low: 2010, high: 2024 }, 2019)).toBe("2019");
  expect(shown(income, 125_000)).toBe("125,000");
  expect(shown(height, 70.25)).toBe("70.3");
  expect(shown(drinks, 1)).toBe("socially");
  expect(shown(city, "Huế")).toBe("Huế");
  expect(shown(height, null)).toBe("");
});

test("an ordinal is sent by its level, the rest as it stands", () => {
  const setting = { drinks: 2, height: 71, city: "Oslo", unheard: 1 };
  expect(sent([height, drinks, city], setting)).toEqual({ drinks: "often", height: 71, city: "Oslo", unheard: 1 });
});

test("shades grow with the magnitude, differ by sign and stand still where nothing is in sight", () => {
  const depths = [0, 0.3, 0.6, 0.9, 1].map((v) => heat(v, 1));
  expect(new Set(depths).size).toBeGreaterThanOrEqual(4);
  expect(heat(0.9, 1)).not.toBe(heat(-0.9, 1));
  expect(heat(0, 1)).toBe("");
  expect(heat(5, 0)).toBe("");
  expect(heat(7, 1)).toBe(heat(1, 1));
  expect(most([{ value: -3 }, { value: 2 }])).toBe(3);
  expect(most([])).toBe(0);
});

test("signs are typed as signs", () => {
  expect(signed(-0.1234)).toBe("−0.123");
  expect(signed(0.5)).toBe("+0.500");
});
