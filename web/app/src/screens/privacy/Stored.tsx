// Every place on disk with what lies there, what was replaced, and where anything would be sent.
import { client, got, type Schema } from "../../api";
import { count, size, Trouble, Waiting } from "../../ui";
import { useAsked } from "../../use";
import { t } from "../../words";
import { holding } from "../../words/names";

interface Place {
  name: string;
  what: string;
  raw: boolean;
  bytes: number;
  mode: string;
}
interface Sent {
  setting: string;
  host: string;
  local: boolean;
  what: string;
}

export function Stored() {
  const stored = useAsked(() => got(client.GET("/api/privacy")));
  return (
    <section className="space-y-4">
      <h2>{t.stored}</h2>
      <Trouble error={stored.error} />
      {!stored.value && !stored.error && <Waiting what={t.looking} />}
      {stored.value && <Holdings of={stored.value} />}
    </section>
  );
}

function Holdings({ of }: { of: Schema["StoredInfo"] }) {
  const places = of.places as unknown as Place[];
  const away = (of.sent as unknown as Sent[]).filter((s) => !s.local);
  return (
    <>
      {away.length === 0 && <p className="text-good">{t.sentNothing}</p>}
      {away.map((s) => (
        <p key={s.setting} className="border-l-2 border-warn pl-3">
          {t.sentTo(s.host)} {s.what} <span className="text-quiet">({s.setting})</span>
        </p>
      ))}
      {of.unservable.length > 0 && <p className="text-warn">{t.unservables(of.unservable.join(", "))}</p>}
      <table className="table">
        <thead><tr><th scope="col">{t.place}</th><th scope="col" className="max-sm:hidden">{t.holds}</th><th scope="col" className="text-right">{t.bytes}</th></tr></thead>
        <tbody>
          {places.map((p) => (
            <tr key={p.name}>
              <th scope="row" className="border-t border-line break-all text-ink!">
                {p.name}
                <span className="block break-normal font-normal text-quiet">{holding(p.name, p.what)}</span>
              </th>
              <td className="text-sm text-quiet max-sm:hidden">{p.raw ? t.asTyped : t.scrubbed}{p.mode && <span className="block font-mono">{p.mode}</span>}</td>
              <td className="whitespace-nowrap text-right tabular-nums">{size(p.bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <dl className="grid gap-x-6 gap-y-2 sm:grid-cols-[12rem_1fr]">
        <Counts title={t.replacedSoFar} of={of.replaced} none={t.nothingReplaced} />
        <Counts title={t.pseudonyms} of={of.entities} none="–" />
        <Counts title={t.touched(count(of.own_records))} of={of.topics} none={t.noTopics} />
      </dl>
    </>
  );
}

function Counts({ title, of, none }: { title: string; of: Record<string, number>; none: string }) {
  const found = Object.entries(of);
  return (
    <>
      <dt className="text-quiet">{title}</dt>
      <dd className="tabular-nums">{found.length ? found.map(([kind, n]) => `${kind} ${n}`).join(" · ") : none}</dd>
    </>
  );
}
