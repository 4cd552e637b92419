// Ask the same under different trait values; answers share their seed, so that only the trait moves them.
import { useState } from "react";

import { answer, usual } from "../../answer";
import type { Props } from "../../App";
import { Page, Trouble, Waiting } from "../../ui";
import { useDoing } from "../../use";
import { t } from "../../words";

interface Said {
  at: string;
  text: string;
}

export default function Traits({ twin }: Props) {
  const [values, setValues] = useState<Record<string, number>>({});
  const [said, setSaid] = useState<Said[]>([]);
  const doing = useDoing();
  if (!twin?.traits.length) return <Page title={t.traitsTitle} lead={t.traitsLead}><p className="max-w-prose">{t.noTraits}</p></Page>;
  return (
    <Page title={t.traitsTitle} lead={t.traitsLead}>
      <form className="space-y-4" onSubmit={(e) => {
        e.preventDefault();
        const question = String(new FormData(e.currentTarget).get("question"));
        const at = Object.entries(values).map(([k, v]) => `${k} ${v}`).join(", ");
        doing.run(async () => {
          const text = await answer(usual(twin), question, { seed: 0, traits: values });
          setSaid((old) => [{ at, text }, ...old]);
        });
      }}>
        <div className="grid grid-cols-2 gap-3 md:grid-cols-3">
          {twin.traits.map((name) => (
            <label key={name}>
              <span className="text-sm text-quiet">{name}</span>
              <input className="field mt-1" type="number" step="any" value={values[name] ?? ""} onChange={(e) => {
                const { [name]: _, ...rest } = values;
                setValues(e.target.value ? { ...rest, [name]: e.target.valueAsNumber } : rest);
              }} />
            </label>
          ))}
        </div>
        <div className="flex gap-2">
          <input name="question" className="field" aria-label={t.question} defaultValue={t.sampleQuestion} required maxLength={2000} />
          <button className="button-main shrink-0" disabled={doing.busy}>{t.ask}</button>
        </div>
      </form>
      <Trouble error={doing.error} />
      {doing.busy && <Waiting />}
      <ol className="space-y-4">
        {said.map((s, i) => (
          <li key={said.length - i} className="sheet">
            <p className="text-sm text-quiet">{t.answerAt} {s.at}</p>
            <p className="mt-1 whitespace-pre-wrap font-serif text-lg">{s.text}</p>
          </li>
        ))}
      </ol>
      <p className="text-sm text-quiet">{t.traitsCaution}</p>
    </Page>
  );
}
