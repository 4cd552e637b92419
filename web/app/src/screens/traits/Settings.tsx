// What is known of the writer: a slider for a number, a choice for a category; each may also be left unknown.
import { t } from "../../words";
import { ends, plain, type Setting, shown, step, type Trait, type Value } from "./values";

export function Settings({ traits, setting, set, moved }: {
  traits: readonly Trait[];
  setting: Setting;
  set: (next: Setting) => void;
  /** The trait that moves along the essays; it is set there. */
  moved: string;
}) {
  function put(name: string, value: Value) {
    const { [name]: _, ...rest } = setting;
    set(value === null ? rest : { ...rest, [name]: value });
  }
  const others = traits.filter((trait) => trait.name !== moved);
  return (
    <fieldset>
      <legend className="font-semibold">{t.known}</legend>
      <p className="text-sm text-quiet">{t.knownLead}</p>
      <div className="mt-3 grid gap-x-8 gap-y-4 sm:grid-cols-2">
        {others.map((trait) => (
          <One key={trait.name} trait={trait} value={setting[trait.name] ?? null} put={(value) => put(trait.name, value)} />
        ))}
      </div>
    </fieldset>
  );
}

function One({ trait, value, put }: { trait: Trait; value: Value; put: (value: Value) => void }) {
  const name = plain(trait.name);
  if (trait.kind === "many") return <Several trait={trait} value={Array.isArray(value) ? value : []} put={put} />;
  if (!trait.slider || trait.levels?.length) {
    return (
      <label className="block">
        <span className="text-sm text-quiet">{name}</span>
        <select className="field mt-1" value={trait.slider ? shown(trait, value) : String(value ?? "")} onChange={(e) => {
          const at = trait.levels?.indexOf(e.target.value) ?? -1;
          put(at < 0 ? null : trait.slider ? at : e.target.value);
        }}>
          <option value="">{t.unknown}</option>
          {trait.levels?.map((level) => <option key={level}>{level}</option>)}
        </select>
      </label>
    );
  }
  const [low, high] = ends(trait);
  const known = typeof value === "number";
  return (
    <div>
      <div className="flex items-baseline justify-between gap-3 text-sm text-quiet">
        <label htmlFor={`trait-${trait.name}`}>{name}</label>
        <output htmlFor={`trait-${trait.name}`} className="font-semibold tabular-nums text-ink">{known ? shown(trait, value) : t.unknown}</output>
      </div>
      <div className="mt-1 flex items-center gap-3">
        <input id={`trait-${trait.name}`} type="range" className={`w-full accent-act ${known ? "" : "opacity-50"}`} min={low} max={high} step={step(trait)}
          value={known ? value : (trait.mean ?? low)} aria-valuetext={known ? shown(trait, value) : t.unknown}
          onChange={(e) => put(e.target.valueAsNumber)} />
        <button type="button" className="link text-sm disabled:invisible" disabled={!known} aria-label={`${t.unset}: ${name}`} onClick={() => put(null)}>×</button>
      </div>
    </div>
  );
}

function Several({ trait, value, put }: { trait: Trait; value: string[]; put: (value: Value) => void }) {
  return (
    <details className="sm:col-span-2">
      <summary className="text-sm text-quiet">{plain(trait.name)}: <b className="font-semibold text-ink">{value.join(", ") || t.unknown}</b></summary>
      <div className="mt-2 flex flex-wrap gap-x-4 gap-y-1">
        {trait.levels?.map((level) => (
          <label key={level} className="flex items-center gap-2 text-sm">
            <input type="checkbox" className="accent-act" checked={value.includes(level)} onChange={(e) => {
              const next = e.target.checked ? [...value, level] : value.filter((v) => v !== level);
              put(next.length ? next : null);
            }} />
            {level}
          </label>
        ))}
      </div>
    </details>
  );
}
