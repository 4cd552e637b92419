import { expect, test, vi } from "vitest";

vi.stubGlobal("localStorage", { getItem: () => "en" });
vi.stubGlobal("document", { documentElement: {} });
const { measure, reason } = await import("./names");

test("a measure is called by its name, an unknown one by its id", () => {
  expect(measure("c2st")).toBe("Told apart by a classifier");
  expect(measure("new_measure")).toBe("new measure");
});

test("a reason of the verdict begins with a name", () => {
  expect(reason("identity_gain: 0.09 bits/byte")).toBe("Identity gain: 0.09 bits/byte");
  expect(reason("only 3 held-out sessions: wide")).toBe("only 3 held-out sessions: wide");
});
