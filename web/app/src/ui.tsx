// The few parts that screens share.
import type { ReactNode } from "react";

import { Failed } from "./api";
import { t } from "./words";

export function Page({ title, lead, wide = false, children }: {
  title: string;
  lead?: ReactNode;
  wide?: boolean;
  children: ReactNode;
}) {
  return (
    <div className={`w-full px-5 pb-16 pt-8 md:px-12 md:pt-14 lg:pl-20 ${wide ? "max-w-5xl" : "max-w-4xl"}`}>
      <h1>{title}</h1>
      {lead && <p className="mt-3 max-w-prose text-quiet">{lead}</p>}
      <div className="page mt-8">{children}</div>
    </div>
  );
}

export function Trouble({ error }: { error: Error | undefined }) {
  if (!error) return null;
  return (
    <p role="alert" className="border-l-2 border-warn pl-3 text-warn">
      {error.message}
      {error instanceof Failed && error.hint && <span className="block text-quiet">{error.hint}</span>}
    </p>
  );
}

export function Waiting({ what = t.loading }: { what?: string }) {
  return (
    <p role="status" className="text-quiet">
      {what}
    </p>
  );
}

export const when = (seconds: number): string =>
  new Date(seconds * 1000).toLocaleString(t.code, { dateStyle: "medium", timeStyle: "short" });

export const size = (bytes: number): string =>
  new Intl.NumberFormat(t.code, { notation: "compact", style: "unit", unit: "byte", unitDisplay: "narrow" }).format(
    bytes,
  );
