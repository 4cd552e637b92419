// A text whose words are shaded by a derivative, and the same numbers as a table.
import { t } from "../../words";
import { heat, most, plain, signed } from "./values";

interface Word {
  text: string;
  value: number;
  new?: boolean;
  per_unit?: number;
  checked?: number | null;
}

export function Shaded({ words, depth }: { words: readonly Word[]; depth?: number }) {
  const deepest = depth ?? most(words);
  return (
    <p className="whitespace-pre-wrap break-words font-serif text-lg leading-relaxed" dir="auto">
      {words.map((w, i) => (
        <span key={i} title={signed(w.value)}
          className={`rounded-sm ${heat(w.value, deepest)} ${w.new ? "underline decoration-2 decoration-good underline-offset-4" : ""}`}>
          {w.text}
        </span>
      ))}
    </p>
  );
}

export function Key({ trait }: { trait: string }) {
  return (
    <p className="flex flex-wrap gap-x-5 gap-y-1 text-sm text-quiet">
      <span><span className="rounded-sm bg-act/26 px-1.5 text-ink">{t.likelier}</span> {t.withMore(plain(trait))}</span>
      <span><span className="rounded-sm bg-warn/26 px-1.5 text-ink">{t.unlikelier}</span> {t.withMore(plain(trait))}</span>
    </p>
  );
}

export function Numbers({ words, trait }: { words: readonly Word[]; trait: string }) {
  const checked = words.some((w) => w.checked != null);
  const unit = words.some((w) => w.per_unit !== undefined);
  return (
    <details>
      <summary className="text-quiet">{t.sameNumbers}</summary>
      <div className="mt-2 max-h-80 overflow-auto" tabIndex={0} role="region" aria-label={t.sameNumbers}>
        <table className="table max-w-xl">
          <caption className="sr-only">{t.slopeOf(plain(trait))}</caption>
          <thead>
            <tr>
              <th scope="col">{t.word}</th>
              <th scope="col" className="text-right">{t.perSd}</th>
              {unit && <th scope="col" className="text-right">{t.perUnit}</th>}
              {checked && <th scope="col" className="text-right">{t.byDifference}</th>}
            </tr>
          </thead>
          <tbody className="tabular-nums">
            {words.map((w, i) => (
              <tr key={i}>
                <th scope="row" className="border-t border-line font-serif text-base! font-normal! text-ink!">{w.text.trim() || "↵"}</th>
                <td className="text-right">{signed(w.value)}</td>
                {unit && <td className="text-right">{w.per_unit?.toPrecision(3)}</td>}
                {checked && <td className="text-right">{w.checked == null ? "" : signed(w.checked)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
