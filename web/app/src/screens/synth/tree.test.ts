import { expect, test } from "vitest";

import { place } from "./tree";

test("a column a round, parents in the middle of their children, an unknown parent is a root", () => {
  const { placed, columns, rows } = place([
    { id: "a" }, { id: "b", parent: "a" }, { id: "c", parent: "a" }, { id: "d", parent: "c" }, { id: "e", parent: "gone" },
  ]);
  const at = Object.fromEntries(placed.map((p) => [p.person.id, [p.column, p.row]]));
  expect(at).toEqual({ a: [0, 0.5], b: [1, 0], c: [1, 1], d: [2, 1], e: [0, 2] });
  expect(placed.find((p) => p.person.id === "d")?.from).toBe(placed.findIndex((p) => p.person.id === "c"));
  expect([columns, rows]).toEqual([3, 3]);
});
