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

export const day = (seconds: number): string => new Date(seconds * 1000).toLocaleDateString(t.code, { dateStyle: "medium" });

/** A large count in a few digits: 1.3M. */
export const count = (n: number): string => new Intl.NumberFormat(t.code, { notation: "compact" }).format(n);

const UNITS = [["hour", 3600], ["minute", 60], ["second", 1]] as const;

/** A length of time in the largest unit that fits. */
export function lasting(seconds: number): string {
  const [unit, each] = UNITS.find(([, s]) => seconds >= 1.5 * s) ?? UNITS[2];
  return new Intl.NumberFormat(t.code, { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 }).format(Math.max(1, seconds / each));
}

const SIZES = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** Bytes in the unit that suits them. */
export function size(bytes: number): string {
  const power = Math.min(4, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return new Intl.NumberFormat(t.code, { style: "unit", unit: SIZES[power], unitDisplay: "short", maximumSignificantDigits: 3 }).format(bytes / 1000 ** power);
}
