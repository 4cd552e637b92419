// The derivative of a text by one exact pass, and on request the same by moving the trait a little and back.
import { client, got, type Schema } from "../../api";
import { Trouble, Waiting } from "../../ui";
import type { Doing } from "../../use";
import { t } from "../../words";
import { type Setting, signed } from "./values";

export type Gradient = Schema["GradientInfo"];

export const slopes = (text: string, trait: string, setting: Setting, prompt: string, check: boolean): Promise<Gradient> =>
  got(client.POST("/api/traits/gradient", { body: { text, trait, setting, prompt, finite_difference: check } }));

/** The farthest that a word's exact derivative is from its check. */
export const farthest = (found: Gradient): number =>
  Math.max(0, ...found.words.map((w) => (w.checked == null ? 0 : Math.abs(w.checked - w.value))));

export function Check({ found, doing, check }: { found: Gradient | null; doing: Doing; check: () => void }) {
  return (
    <div className="space-y-2">
      <button type="button" className="button" disabled={doing.busy} onClick={check}>{t.checkIt}</button>
      {doing.busy && <Waiting />}
      <Trouble error={doing.error} />
      {found?.checked != null && (
        <p role="status" className="tabular-nums">
          {t.exact} <b className="font-semibold">{signed(found.score)}</b> · {t.byDifference}{" "}
          <b className="font-semibold">{signed(found.checked)}</b> · {t.farthest} {farthest(found).toExponential(1)}
        </p>
      )}
    </div>
  );
}
