// What may be done with somebody's words, one choice a person.
import { client, got, type Schema } from "./api";
import { t } from "./words";

type Person = Schema["PersonInfo"];
const CHOICES = ["include", "context", "exclude"] as const;

export function Consent({ person, set }: { person: Person; set: (work: () => Promise<unknown>) => void }) {
  return (
    <select className="field max-w-60" aria-label={person.name} value={person.consent}
      onChange={(e) => {
        const consent = CHOICES.find((c) => c === e.target.value) ?? "context";
        set(() => got(client.PUT("/api/people/{person}/consent", { params: { path: { person: person.id } }, body: { consent } })));
      }}>
      {CHOICES.map((c) => <option key={c} value={c}>{t[c]}</option>)}
    </select>
  );
}
