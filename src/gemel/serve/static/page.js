// The plain page: pair, talk, stop, ask again, judge. Text only ever enters the document as text.
"use strict";

const $ = (id) => document.getElementById(id);
const KEY = "gemel-token";
const state = { token: localStorage.getItem(KEY), twin: null, turns: [], conversation: null, abort: null };

async function call(method, path, body, extra = {}) {
  const answer = await fetch(path, {
    method,
    headers: {
      ...(state.token ? { Authorization: `Bearer ${state.token}` } : {}),
      ...(body ? { "Content-Type": "application/json" } : {}),
    },
    body: body ? JSON.stringify(body) : undefined,
    ...extra,
  });
  if (!answer.ok) {
    const said = await answer.json().catch(() => null);
    const error = new Error(said?.error ? [said.error.message, said.error.hint].filter(Boolean).join(". ") : answer.statusText);
    error.status = answer.status;
    throw error;
  }
  return answer;
}
const json = async (...args) => (await call(...args)).json();

function note(text, bad = false) {
  $("note").textContent = text;
  $("note").className = bad ? "error" : "";
}

function make(kind, cls, text) {
  const node = document.createElement(kind);
  if (cls) node.className = cls;
  if (text !== undefined) node.textContent = text;
  return node;
}

// pairing ---------------------------------------------------------------------
async function pair(code) {
  const name = navigator.userAgent.match(/(Firefox|Edg|Chrome|Safari)/)?.[0] ?? "a browser";
  const paired = await json("POST", "/api/pair", { code, name });
  state.token = paired.token;
  localStorage.setItem(KEY, paired.token);
}

$("pair").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await pair($("code").value);
    await begin();
  } catch (error) {
    note(error.message, true);
  }
});

async function begin() {
  const code = location.hash.match(/^#pair=(\w+)$/)?.[1];
  if (code) {
    history.replaceState(null, "", "/");
    if (!state.token) await pair(code).catch((error) => note(error.message, true));
  }
  try {
    state.twin = await json("GET", "/api/twin");
  } catch (error) {
    if (error.status !== 401) return note(error.message, true);
    localStorage.removeItem(KEY);
    state.token = null;
    $("pair").hidden = false;
    $("code").focus();
    return;
  }
  $("pair").hidden = true;
  $("compose").hidden = $("settings").hidden = false;
  document.title = $("disclosure").textContent = state.twin.disclosure;
  for (const [id, way] of Object.entries(state.twin.ways)) {
    const option = new Option(way, id, false, way === state.twin.answer);
    $("model").append(option);
  }
  for (const name of state.twin.partners) $("recipient").append(new Option(name, name));
  if (!state.twin.partners.length) $("recipient").append(new Option("anybody", ""));
  note(state.twin.run ? `Voice ${state.twin.run}` : "No voice is trained yet: the base answers, told by the card.");
  $("text").focus();
}

// talking ------------------------------------------------------------------------
function draw(turn) {
  const item = turn.node ?? make("li", turn.role === "user" ? "other" : "me");
  turn.node = item;
  const lines = turn.text.split("\n").filter((l) => l.trim());
  item.replaceChildren(make("div", "name", turn.name), ...(lines.length ? lines : ["…"]).map((l) => make("div", "part", l)));
  if (turn.role === "assistant" && turn.done) item.append(tools(turn));
  if (!item.isConnected) $("talk").append(item);
  item.scrollIntoView({ block: "end" });
}

function tools(turn) {
  const row = make("div", "tools");
  const add = (label, act, pressed) => {
    const button = make("button", "", label);
    button.type = "button";
    if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
    button.addEventListener("click", () => Promise.resolve(act()).catch((error) => note(error.message, true)));
    row.append(button);
  };
  if (turn.quoted) row.append(make("span", "", `own words${turn.source ? `, ${turn.source}` : ""}`));
  add("sounds like me", () => rate(turn, 1), turn.rating === 1);
  add("not me", () => rate(turn, -1), turn.rating === -1);
  add("what I'd have said", () => edit(turn));
  add("why", () => why(turn));
  if (turn === state.turns.at(-1)) add("again", again);
  return row;
}

async function rate(turn, value) {
  turn.rating = turn.rating === value ? 0 : value;
  await call("PUT", `/api/messages/${turn.id}/rating`, { value: turn.rating });
  draw(turn);
}

async function edit(turn) {
  const better = prompt("What would you have said?", turn.text);
  if (better === null || !better.trim()) return;
  await call("PUT", `/api/messages/${turn.id}/edit`, { parts: better.split("\n") });
  turn.text = better;
  turn.quoted = false;
  draw(turn);
  note("Noted; the conversation goes on from there.");
}

async function why(turn) {
  const at = state.turns.indexOf(turn);
  const messages = state.turns.slice(0, at).map((t) => ({ role: t.role, text: t.text }));
  const said = await json("POST", "/api/why", { messages, answer: turn.text });
  const box = make("div", "why");
  for (const word of said.words) {
    const mark = make("mark", word.nats > 1 ? "up" : word.nats < -1 ? "down" : "", word.text);
    mark.title = `${word.nats.toFixed(1)} nats`;
    box.append(mark);
  }
  box.append(make("p", "", `The conversation makes this answer e^${said.total.toFixed(1)} times as likely.`));
  for (const s of said.similar.slice(0, 3)) box.append(make("p", "", `Similar, ${s.title || "undated"}: ${s.quote}`));
  turn.node.querySelector(".why")?.remove();
  turn.node.append(box);
}

async function keep(turn, parent) {
  state.conversation ??= (await json("POST", "/api/conversations", { title: turn.text.slice(0, 60), recipient: $("recipient").value })).id;
  const saved = await json("POST", `/api/conversations/${state.conversation}/messages`, {
    role: turn.role === "user" ? "other" : "me", parts: turn.text.split("\n"), name: turn.name, parent, speaker: turn.model ?? "",
  });
  turn.id = saved.id;
}

async function answer() {
  const asked = state.turns.at(-1);
  const messages = state.turns.map((t) => ({ role: t.role, content: t.text, ...(t.role === "user" && t.name ? { name: t.name } : {}) }));
  const turn = { role: "assistant", text: "", name: state.twin.name, model: $("model").value };
  state.turns.push(turn);
  draw(turn);
  state.abort = new AbortController();
  $("stop").hidden = false;
  $("send").hidden = true;
  note("");
  try {
    const body = { model: turn.model, messages, stream: true, temperature: Number($("temperature").value), max_tokens: 160 };
    const stream = await call("POST", "/v1/chat/completions", body, { signal: state.abort.signal });
    for await (const chunk of events(stream.body)) {
      if (chunk.error) throw new Error(chunk.error.message);
      const choice = chunk.choices?.[0];
      if (!choice) continue;
      turn.text += choice.delta?.content ?? "";
      turn.quoted = choice.gemel?.quoted ?? false;
      turn.source = choice.gemel?.citations?.[0]?.title ?? "";
      draw(turn);
    }
  } catch (error) {
    if (error.name !== "AbortError") note(error.message, true);
  }
  state.abort = null;
  $("stop").hidden = true;
  $("send").hidden = false;
  if (!turn.text.trim()) {
    state.turns.pop();
    turn.node.remove();
    return;
  }
  turn.done = true;
  await keep(turn, asked.id).catch((error) => note(error.message, true));
  for (const t of state.turns) if (t.role === "assistant") draw(t);
}

async function again() {
  state.turns.pop().node.remove();
  await answer();
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const whole = held.split("\n\n");
    held = whole.pop();
    for (const event of whole) {
      const data = event.replace(/^data: /, "");
      if (data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

$("compose").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text || state.abort) return;
  $("text").value = "";
  const turn = { role: "user", text, name: $("recipient").value };
  const parent = state.turns.at(-1)?.id ?? null;
  state.turns.push(turn);
  draw(turn);
  try {
    await keep(turn, parent);
    await answer();
  } catch (error) {
    note(error.message, true);
  }
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("compose").requestSubmit();
  }
});
$("stop").addEventListener("click", () => state.abort?.abort());
$("settings").addEventListener("submit", (event) => event.preventDefault());
begin();
