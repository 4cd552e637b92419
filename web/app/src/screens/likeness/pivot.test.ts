import { expect, test } from "vitest";

import { digits, pivot, type Score } from "./pivot";

const score = (metric: string, system: string, value: number | null, more: Partial<Score> = {}): Score => ({
  metric, system, value, unit: "", better: "", low: null, high: null, refused: "", group: "all", ...more,
});

test("one row a measure, the twin first, then floor and ceiling, systems of no known name at the end", () => {
  const { systems, rows } = pivot([
    score("bits", "self", 1), score("bits", "impostor", 3), score("bits", "base", 2), score("bits", "voice", 1.5),
    score("chrf", "voice", 0.1), score("chrf", "teacher", 0.2), score("chrf", "voice", 9, { group: "mara" }),
  ]);
  expect(systems).toEqual(["voice", "base", "impostor", "self", "teacher"]);
  expect(rows.map((r) => r.metric)).toEqual(["bits", "chrf"]);
  expect(rows[1]?.cells.get("voice")?.value).toBe(0.1);
});

test("what has no value anywhere is refused with its reason and stands in no row", () => {
  const { rows, refused } = pivot([
    score("emoji", "voice", null, { refused: "no emoji" }), score("emoji", "self", null),
    score("c2st", "voice", 0.5), score("c2st", "prompted", null, { refused: "too short" }),
  ]);
  expect(refused).toEqual([{ metric: "emoji", reason: "no emoji" }]);
  expect(rows.map((r) => r.metric)).toEqual(["c2st"]);
});

test("digits follow the magnitude", () => {
  expect([0.12345, 12.345, 1234.5].map(digits)).toEqual(["0.123", "12.3", "1235"]);
});
