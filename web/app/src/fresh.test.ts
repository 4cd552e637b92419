import openapi, { astToString } from "openapi-typescript";
import { expect, test } from "vitest";

import schema from "../../client/openapi.json?raw";
import kept from "../../client/schema.ts?raw";

/** Without the banner that the command line puts above. */
const code = (text: string) => text.slice(text.indexOf("export interface paths"));

test("the typed client is what the server's schema says: npm run types", { timeout: 60_000 }, async () => {
  const made = astToString(await openapi(JSON.parse(schema)));
  expect(code(kept)).toBe(code(made));
});
