/** Where the server is, pairing with it, and who answers. */
import { pair, Trouble, twin } from "../../src/client";
import { by, made, trouble } from "../../src/dom";
import { forgetTalks, save, settings } from "../../src/settings";

const server = by<HTMLInputElement>("server");
const code = by<HTMLInputElement>("code");
const token = by<HTMLInputElement>("token");
const model = by<HTMLSelectElement>("model");

async function show(): Promise<void> {
  const chosen = await settings();
  server.value = chosen.server;
  by("choice").hidden = true;
  by("state").textContent = chosen.token ? "" : "Not paired yet: run “gemel serve” and enter the code it shows.";
  if (!chosen.token) return;
  const found = await twin(chosen);
  by("state").textContent = `Paired. ${found.disclosure}.`;
  model.replaceChildren(...found.models.map((id) => made("option", { value: id }, id)));
  model.value = found.model;
  by("choice").hidden = false;
}

/** The address as it is stored: http(s) only, without path; other machines are asked for. */
async function address(): Promise<string> {
  const url = new URL(server.value.trim());
  if (!/^https?:$/.test(url.protocol)) throw new Trouble("failed", "The address must begin with http:// or https://.", "");
  const local = ["127.0.0.1", "localhost"].includes(url.hostname);
  const allowed = local || (await browser.permissions.request({ origins: [`${url.origin}/*`] }));
  if (!allowed) throw new Trouble("forbidden", "The browser may not talk to that address.", "Allow it when asked.");
  return url.origin;
}

async function connect(): Promise<void> {
  const at = await address();
  const typed = code.value.includes("#pair=") ? (code.value.split("#pair=")[1] ?? "") : code.value;
  if (typed.trim()) await save({ server: at, token: await pair(at, typed.trim()), model: "" });
  else if (token.value.trim()) await save({ server: at, token: token.value.trim(), model: "" });
  else await save({ server: at });
  code.value = token.value = "";
  await show();
}

function run(work: () => Promise<unknown>): void {
  trouble();
  work().catch((error: unknown) => {
    trouble(error instanceof Trouble ? error : { message: "That did not work.", hint: "Check the address." });
  });
}

by("form").addEventListener("submit", (event) => {
  event.preventDefault();
  run(connect);
});
by("unpair").addEventListener("click", () => run(() => save({ token: "", model: "" }).then(show)));
by("clear").addEventListener("click", () => run(forgetTalks));
model.addEventListener("change", () => run(() => save({ model: model.value })));
run(show);
