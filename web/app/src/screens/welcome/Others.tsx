// The other people of the chats, what may be done with their words, and what is replaced before anything is learned.
import { client, got } from "../../api";
import { Consent } from "../../consent";
import { Trouble, Waiting } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";

export function Others({ next }: { next: () => void }) {
  const people = useAsked(() => got(client.GET("/api/people")));
  const stored = useAsked(() => got(client.GET("/api/privacy")));
  const doing = useDoing();
  const change = (work: () => Promise<unknown>) => doing.run(async () => {
    await work();
    people.again();
  });
  const replaced = Object.entries(stored.value?.replaced ?? {});
  return (
    <section className="space-y-5">
      <div>
        <h2>{t.consentTitle}</h2>
        <p className="text-quiet">{t.consentLead}</p>
      </div>
      <Trouble error={people.error ?? stored.error ?? doing.error} />
      <ul className="divide-y divide-line">
        {people.value?.filter((p) => !p.me).map((p) => (
          <li key={p.id} className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 py-2">
            <span>{p.name}</span>
            <Consent person={p} set={change} />
          </li>
        ))}
      </ul>
      <div>
        <h2>{t.replaced}</h2>
        {!stored.value && !stored.error && <Waiting />}
        {stored.value && <p className="text-quiet">{t.planOwn(stored.value.own_records)}</p>}
        {stored.value && !replaced.length && <p>{t.nothingReplaced}</p>}
        <p className="mt-1">{replaced.map(([kind, n]) => `${kind} ${n}`).join(" · ")}</p>
      </div>
      <button type="button" className="button-main" disabled={!people.value} onClick={next}>{t.goOn}</button>
    </section>
  );
}
