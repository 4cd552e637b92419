import { expect, test } from "vitest";

import { way } from "./meter";

const pair = (e: number, decision = "") => ({ e, threshold: 20, decision });

test("the way to a decision is measured in the logarithm of the evidence", () => {
  expect(way(pair(1))).toBe(0);
  expect(way(pair(0.2))).toBe(0);
  expect(way(pair(Math.sqrt(20)))).toBeCloseTo(0.5);
  expect(way(pair(19.9))).toBeLessThan(1);
  expect(way(pair(500))).toBe(1);
});

test("a decision is the whole way, whatever the evidence is now", () => {
  expect(way(pair(3, "a"))).toBe(1);
  expect(way(pair(1, "alike"))).toBe(1);
});
