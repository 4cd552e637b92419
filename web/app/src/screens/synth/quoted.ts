// A text cut at the quotations that claims stand on.
export interface Piece {
  text: string;
  /** Numbers of the claims that quote it, from 1. */
  claims: readonly number[];
}

/** Offsets are Unicode code points, as Python counts. */
export function cut(text: string, claims: readonly { spans: readonly (readonly number[])[] }[]): Piece[] {
  const points = [...text];
  const edges = new Set([0, points.length]);
  for (const { spans } of claims) for (const edge of spans.flat()) edges.add(edge);
  const sorted = [...edges].filter((e) => e >= 0 && e <= points.length).sort((a, b) => a - b);
  return sorted.slice(1).map((to, i) => {
    const from = sorted[i] ?? 0;
    const by = claims.flatMap((c, n) => (c.spans.some(([a = 0, b = 0]) => a <= from && to <= b) ? [n + 1] : []));
    return { text: points.slice(from, to).join(""), claims: by };
  });
}
