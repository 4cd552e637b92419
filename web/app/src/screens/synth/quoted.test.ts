import { expect, test } from "vitest";

import { cut } from "./quoted";

test("a text is cut at its quotations, and nothing of it is lost", () => {
  const pieces = cut("Tea is hot. It cools.", [{ spans: [[0, 11]] }, { spans: [[4, 10], [12, 21]] }]);
  expect(pieces.map((p) => p.text).join("")).toBe("Tea is hot. It cools.");
  expect(pieces.map((p) => [p.text, p.claims])).toEqual([["Tea ", [1]], ["is hot", [1, 2]], [".", [1]], [" ", []], ["It cools.", [2]]]);
});

test("offsets count code points, as the server does", () => {
  expect(cut("🍵 tea", [{ spans: [[2, 5]] }]).map((p) => p.text)).toEqual(["🍵 ", "tea"]);
});
