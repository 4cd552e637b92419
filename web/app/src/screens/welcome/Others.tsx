// Chat by chat before anything is learned: who is in it and may be used how, and what is replaced in it.
import { client, got, type Schema } from "../../api";
import { Consent } from "../../consent";
import { day, Trouble, Waiting } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";

type Chat = Schema["ChatInfo"];
type Person = Schema["PersonInfo"];
type Change = (work: () => Promise<unknown>) => void;

export function Others({ next }: { next: () => void }) {
  const people = useAsked(() => got(client.GET("/api/people")));
  const chats = useAsked(() => got(client.GET("/api/chats")));
  const doing = useDoing();
  const change: Change = (work) => doing.run(async () => {
    await work();
    people.again();
    chats.again();
  });
  const known = new Map(people.value?.map((p) => [p.id, p]));
  return (
    <section className="space-y-5">
      <div>
        <h2>{t.consentTitle}</h2>
        <p className="max-w-prose text-quiet">{t.consentLead}</p>
      </div>
      <Trouble error={people.error ?? chats.error ?? doing.error} />
      {!chats.value && !chats.error && <Waiting what={t.looking} />}
      {chats.value && people.value && (
        <ul className="space-y-4">
          {chats.value.map((chat) => <One key={chat.id} chat={chat} known={known} change={change} />)}
        </ul>
      )}
      <button type="button" className="button-main" disabled={!chats.value || doing.busy} onClick={next}>{t.goOn}</button>
    </section>
  );
}

function One({ chat, known, change }: { chat: Chat; known: Map<string, Person>; change: Change }) {
  const others = chat.people.flatMap((id) => known.get(id) ?? []);
  const name = chat.title || others.map((p) => p.name).join(", ") || chat.source;
  const replaced = Object.entries(chat.replaced);
  return (
    <li className="sheet space-y-3">
      <div className="flex flex-wrap items-baseline gap-x-4">
        <h3 className="min-w-0 break-words text-lg">{name}</h3>
        <p className="text-sm tabular-nums text-quiet">
          {chat.source} · {t.ofThem(chat.own, chat.messages)}
          {chat.first != null && chat.last != null && ` · ${day(chat.first)} – ${day(chat.last)}`}
        </p>
        <button type="button" className="link ml-auto text-sm hover:text-warn!" aria-label={`${t.leaveOut}: ${name}`} onClick={() =>
          confirm(t.leaveOutSure(name)) && change(() => got(client.POST("/api/forget", { body: { kind: "thread", which: chat.id } })))}>
          {t.leaveOut}
        </button>
      </div>
      {others.length > 0 && (
        <details open={others.length <= 3}>
          <summary className="text-quiet">{t.othersIn(others.length)}</summary>
          <ul className="mt-1 divide-y divide-line">
            {others.map((p) => (
              <li key={p.id} className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 py-1.5">
                <span>{p.name}</span><Consent person={p} set={change} />
              </li>
            ))}
          </ul>
        </details>
      )}
      <div className="text-sm">
        <p className="text-quiet">
          {replaced.length ? t.replaced : t.nothingReplaced}{" "}
          <span className="text-ink">{replaced.map(([kind, n]) => `${kind} ${n}`).join(" · ")}</span>
        </p>
        {chat.preview.length > 0 && (
          <details>
            <summary className="text-quiet">{t.beforeAfter}</summary>
            <ul className="mt-2 space-y-2 border-l border-line pl-3 font-serif text-base">
              {chat.preview.map((line, i) => (
                <li key={i} className="break-words">
                  <s className="text-quiet decoration-line">{line.before}</s>
                  <span className="block">{line.after}</span>
                </li>
              ))}
            </ul>
          </details>
        )}
      </div>
    </li>
  );
}
