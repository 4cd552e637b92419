// Where each persona stands in the drawing: a column a round, a row a leaf, parents in the middle of their children.
export interface Person {
  id: string;
  parent?: string;
}
export interface Placed<P> {
  person: P;
  column: number;
  row: number;
  /** Index of the parent among the placed; -1 for a root. */
  from: number;
}

export function place<P extends Person>(people: readonly P[]): { placed: Placed<P>[]; columns: number; rows: number } {
  const known = new Set(people.map((p) => p.id));
  const children = new Map<string, P[]>();
  for (const p of people) {
    const under = p.parent && known.has(p.parent) && p.parent !== p.id ? p.parent : "";
    children.set(under, [...(children.get(under) ?? []), p]);
  }
  const placed: Placed<P>[] = [];
  let rows = 0;
  let columns = 0;
  function put(person: P, column: number, from: number): number {
    const index = placed.push({ person, column, row: 0, from }) - 1;
    columns = Math.max(columns, column + 1);
    const under = (children.get(person.id) ?? []).map((child) => put(child, column + 1, index));
    const row = under.length ? ((under[0] ?? 0) + (under.at(-1) ?? 0)) / 2 : rows++;
    (placed[index] as Placed<P>).row = row;
    return row;
  }
  for (const root of children.get("") ?? []) put(root, 0, -1);
  return { placed, columns, rows };
}
