/** Small helpers for pages without a framework; text goes in as text only. */

export function by<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

export function made<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string>,
  ...inside: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

/** Show what went wrong and what to do; nothing: take it away. */
export function trouble(said?: { message: string; hint: string; kind?: string }, ...actions: HTMLElement[]): void {
  const place = by("trouble");
  place.hidden = !said;
  place.dataset.kind = said?.kind ?? "";
  place.replaceChildren(...(said ? [made("b", {}, said.message), said.hint, ...(actions.length ? [made("div", { class: "row" }, ...actions)] : [])] : []));
}
