// Everyone in the chats: what may be done with their words, and forgetting them or a chat.
import { useState } from "react";

import { client, got, type Schema } from "../../api";
import { Consent } from "../../consent";
import { Trouble } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";

type Kind = Schema["ForgetRequest"]["kind"];
const FIRST = 8;

export function People({ renew }: { renew: () => Promise<void> }) {
  const people = useAsked(() => got(client.GET("/api/people")));
  const [wanted, setWanted] = useState("");
  const [all, setAll] = useState(false);
  const [gone, setGone] = useState<Schema["ForgottenInfo"] | null>(null);
  const doing = useDoing();
  const change = (work: () => Promise<unknown>) => doing.run(async () => {
    await work();
    people.again();
    await renew();
  });
  function forget(kind: Kind, which: string, name: string) {
    if (!confirm(t.forgetSure(name))) return;
    change(async () => setGone(await got(client.POST("/api/forget", { body: { kind, which } }))));
  }
  const others = (people.value ?? []).filter((p) => !p.me && p.name.toLowerCase().includes(wanted.toLowerCase()));
  const shown = all || wanted ? others : others.slice(0, FIRST);
  const me = people.value?.find((p) => p.me);
  return (
    <section className="space-y-4">
      <h2>{t.people}</h2>
      <Trouble error={people.error ?? doing.error} />
      {gone && <p role="status" className="text-good">{t.forgot(gone.records)}{gone.runs.length > 0 && ` ${t.unservables(gone.runs.join(", "))}`}</p>}
      {me && <p><b className="font-semibold">{me.name}</b><span className="text-quiet"> · {t.you}</span></p>}
      {(people.value?.length ?? 0) > FIRST && (
        <input type="search" className="field max-w-72" aria-label={t.searchPeople} placeholder={t.searchPeople} value={wanted} onChange={(e) => setWanted(e.target.value)} />
      )}
      <ul className="divide-y divide-line">
        {shown.map((p) => (
          <li key={p.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2">
            <span className="min-w-0 flex-1 break-words">{p.name}</span>
            <Consent person={p} set={change} />
            <button type="button" className="link hover:text-warn!" aria-label={`${t.forget}: ${p.name}`} onClick={() => forget("person", p.id, p.name)}>{t.forget}</button>
          </li>
        ))}
      </ul>
      {shown.length < others.length && <button type="button" className="link" onClick={() => setAll(true)}>{t.showAll(others.length)}</button>}
      <details>
        <summary className="text-quiet">{t.forgetMore}</summary>
        <form className="mt-3 flex flex-wrap items-end gap-3" onSubmit={(e) => {
          e.preventDefault();
          const said = new FormData(e.currentTarget);
          forget(String(said.get("kind")) as Kind, String(said.get("which")).trim(), String(said.get("which")));
        }}>
          <label>
            <span className="text-sm text-quiet">{t.forgetKind}</span>
            <select name="kind" className="field mt-1">
              <option value="thread">{t.kind_thread}</option>
              <option value="message">{t.kind_message}</option>
              <option value="source">{t.kind_source}</option>
            </select>
          </label>
          <label className="min-w-48 flex-1">
            <span className="text-sm text-quiet">{t.forgetWhich}</span>
            <input name="which" className="field mt-1" required maxLength={200} />
          </label>
          <button className="button hover:text-warn!" disabled={doing.busy}>{t.forget}</button>
        </form>
      </details>
    </section>
  );
}
