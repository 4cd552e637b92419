"use strict";
// The explorer of `gemel traits sweep`: nothing is fetched, all essays are in the page.
const data = JSON.parse(document.getElementById("data").textContent);
const slider = document.getElementById("slider");
const essay = document.getElementById("essay");
const strip = document.getElementById("strip");
const byId = (id) => document.getElementById(id);
const top1 = Math.max(1e-9, ...data.steps.flatMap((s) => s.words.map((w) => Math.abs(w[1]))));
let shown = null;

// Words of `now` that are not in the longest common subsequence with `before`.
function fresh(before, now) {
  const n = before.length, m = now.length;
  const best = Array.from({ length: n + 1 }, () => new Uint16Array(m + 1));
  for (let i = n - 1; i >= 0; i--)
    for (let j = m - 1; j >= 0; j--)
      best[i][j] = before[i] === now[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
  const marked = new Set();
  for (let i = 0, j = 0; j < m; ) {
    if (i < n && before[i] === now[j]) { i++; j++; }
    else if (i < n && best[i + 1][j] >= best[i][j + 1]) i++;
    else marked.add(j++);
  }
  return marked;
}

const plain = (step) => step.words.map((w) => w[0].trim());
const changes = data.steps.map((s, i) => (i ? fresh(plain(data.steps[i - 1]), plain(s)).size : 0));

function show(index) {
  const step = data.steps[index];
  const marked = shown === null || shown === index ? new Set() : fresh(plain(data.steps[shown]), plain(step));
  essay.replaceChildren(...step.words.flatMap(([text, value], i) => {
    const word = document.createElement("span");
    word.textContent = text.trimStart();
    word.className = (value > 0 ? "up" : "down") + (marked.has(i) ? " new" : "");
    word.style.setProperty("--w", Math.min(1, Math.abs(value) / top1).toFixed(3));
    word.title = `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(3)} nats per sd`;
    return [text.slice(0, text.length - text.trimStart().length), word];
  }));
  if (!step.ended) {
    const cut = document.createElement("span");
    cut.className = "cut";
    cut.textContent = " …";
    essay.append(cut);
  }
  byId("value").textContent = step.shown;
  byId("sd").textContent = `${step.u >= 0 ? "+" : "−"}${Math.abs(step.u).toFixed(2)} sd`;
  byId("score").textContent = `${step.score >= 0 ? "+" : "−"}${Math.abs(step.score).toFixed(2)}`;
  byId("marked").textContent = shown === null ? "0" : String(marked.size);
  slider.setAttribute("aria-valuetext", step.shown);
  [...strip.children].forEach((bar, i) => bar.classList.toggle("on", i === index));
  shown = index;
}

const most = Math.max(1, ...changes);
data.steps.forEach((step, i) => {
  const bar = document.createElement("i");
  bar.style.height = `${8 + (92 * changes[i]) / most}%`;
  bar.title = `${step.shown}: ${changes[i]} words change here`;
  bar.addEventListener("click", () => { slider.value = String(i); show(i); });
  strip.append(bar);
});
slider.addEventListener("input", () => show(Number(slider.value)));
byId("shade").addEventListener("click", (event) => {
  const off = essay.classList.toggle("plain");
  event.target.setAttribute("aria-pressed", String(!off));
  event.target.textContent = off ? "Shade the words" : "Do not shade";
});
show(Number(slider.value));
