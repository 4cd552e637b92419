// Talk to the twin: which talk, who answers and how, and that it is an imitation, always in sight.
import { AssistantRuntimeProvider, useAui, useLocalRuntime } from "@assistant-ui/react";
import { useEffect, useMemo, useRef, useState } from "react";

import type { Props } from "../../App";
import { client, got, type Schema } from "../../api";
import { Trouble } from "../../ui";
import { type Asked, useAsked } from "../../use";
import { t } from "../../words";
import { TalkContext } from "./Judge";
import { first, Pickers } from "./Pickers";
import { model, type Settings, Talk } from "./runtime";
import { Thread } from "./Thread";

type Info = Schema["ConversationInfo"];

export default function Chat({ twin }: Props) {
  const talks = useAsked(() => got(client.GET("/api/conversations")));
  const [open, setOpen] = useState<{ id: string | null; number: number }>({ id: null, number: 0 });
  const [listed, setListed] = useState(false);
  const [settings, setSettings] = useState<Settings>(() => first(twin));
  const held = useRef(settings);
  held.current = settings;
  const choose = (id: string | null) => {
    setOpen((old) => ({ id, number: old.number + 1 }));
    setListed(false);
  };
  useKeys(() => choose(null), () => setListed(true));
  if (!twin) return null;
  return (
    <div className="flex h-full min-h-0">
      <Talks talks={talks} open={open.id} choose={choose} shown={listed} hide={() => setListed(false)} />
      <section className="flex min-w-0 flex-1 flex-col">
        <div className="flex flex-wrap items-baseline gap-x-4 gap-y-1 border-b border-line px-5 py-3">
          <h1 className="text-lg!" data-testid="disclosure">{twin.disclosure}</h1>
          <div className="ml-auto flex gap-4 text-sm">
            <button type="button" className="link lg:hidden" aria-expanded={listed} onClick={() => setListed(true)}>{t.talks}</button>
            <Pickers twin={twin} settings={settings} set={setSettings} />
          </div>
        </div>
        <Room key={open.number} id={open.id} settings={held} changed={talks.again} />
      </section>
      <Help />
    </div>
  );
}

function Room({ id, settings, changed }: { id: string | null; settings: { current: Settings }; changed: () => void }) {
  const talk = useMemo(() => new Talk(id, () => settings.current, changed), [id, settings, changed]);
  const chatModel = useMemo(() => model(() => settings.current), [settings]);
  const runtime = useLocalRuntime(chatModel, { adapters: { history: talk } });
  return (
    <TalkContext value={talk}>
      <AssistantRuntimeProvider runtime={runtime}>
        <Escape />
        <Thread />
      </AssistantRuntimeProvider>
    </TalkContext>
  );
}

/** Escape stops the answer, unless it closes something. */
function Escape() {
  const aui = useAui();
  useEffect(() => {
    const hear = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]") && aui.thread().getState().isRunning) {
        aui.thread().cancelRun();
      }
    };
    addEventListener("keydown", hear);
    return () => removeEventListener("keydown", hear);
  }, [aui]);
  return null;
}

function useKeys(fresh: () => void, find: () => void) {
  useEffect(() => {
    const hear = (event: KeyboardEvent) => {
      const typing = /^(INPUT|TEXTAREA|SELECT)$/.test((event.target as Element).tagName ?? "");
      if ((event.ctrlKey || event.metaKey) && event.key === "k") {
        event.preventDefault();
        find();
        setTimeout(() => document.getElementById("find")?.focus());
      } else if (event.altKey && event.key === "n") {
        event.preventDefault();
        fresh();
      } else if (event.key === "/" && !typing) {
        event.preventDefault();
        document.getElementById("write")?.focus();
      } else if (event.key === "?" && !typing) {
        (document.getElementById("help") as HTMLDialogElement | null)?.showModal();
      }
    };
    addEventListener("keydown", hear);
    return () => removeEventListener("keydown", hear);
  });
}

function Talks({ talks, open, choose, shown, hide }: {
  talks: Asked<Info[]>;
  open: string | null;
  choose: (id: string | null) => void;
  shown: boolean;
  hide: () => void;
}) {
  const [wanted, setWanted] = useState("");
  const found = useAsked(() => (wanted ? got(client.GET("/api/conversations", { params: { query: { q: wanted } } })) : Promise.resolve(null)), [wanted, talks.value]);
  const listed = (wanted && found.value) || talks.value || [];
  async function remove(id: string) {
    if (!confirm(t.deleteSure)) return;
    await got(client.DELETE("/api/conversations/{conversation}", { params: { path: { conversation: id } } }));
    talks.again();
    if (id === open) choose(null);
  }
  return (
    <aside aria-label={t.talks} onKeyDown={(e) => e.key === "Escape" && hide()}
      className={`${shown ? "flex" : "hidden"} w-64 shrink-0 flex-col gap-3 border-r border-line bg-paper p-5 max-lg:fixed max-lg:inset-y-0 max-lg:left-0 max-lg:z-10 max-lg:w-[min(20rem,86vw)] max-lg:shadow-2xl lg:flex`}>
      <div className="flex gap-2">
        <button type="button" className="button flex-1" onClick={() => choose(null)}>{t.newTalk}</button>
        <button type="button" className="button lg:hidden" onClick={hide}>{t.close}</button>
      </div>
      <input id="find" type="search" className="field" aria-label={t.search} placeholder={t.search} value={wanted}
        onChange={(e) => setWanted(e.target.value)} />
      <Trouble error={talks.error ?? found.error} />
      {wanted && found.value?.length === 0 && <p role="status" className="text-sm text-quiet">{t.nothingFound}</p>}
      {talks.value?.length === 0 && <p className="text-sm text-quiet">{t.noTalks}</p>}
      <ul className="min-h-0 flex-1 space-y-1 overflow-y-auto">
        {listed.map((c) => (
          <li key={c.id} className="group flex items-baseline gap-1">
            <button type="button" aria-current={c.id === open} onClick={() => choose(c.id)}
              className="min-w-0 flex-1 truncate rounded px-2 py-1 text-left hover:text-act aria-[current=true]:bg-tint">
              {c.title || t.untitled}
            </button>
            <button type="button" aria-label={`${t.deleteTalk}: ${c.title}`} onClick={() => void remove(c.id)}
              className="px-1 text-quiet hover:text-warn">×</button>
          </li>
        ))}
      </ul>
    </aside>
  );
}

const KEYS = [["Ctrl K", t.keySearch], ["/", t.keyWrite], ["Alt N", t.keyNew], ["Esc", t.keyStop], ["?", t.keyHelp]] as const;

function Help() {
  return (
    <dialog id="help" aria-labelledby="help-title" className="m-auto rounded-xl border border-line bg-sheet p-6 text-ink">
      <h2 id="help-title">{t.shortcuts}</h2>
      <dl className="mt-3 grid grid-cols-[auto_1fr] gap-x-5 gap-y-1">
        {KEYS.map(([key, what]) => (
          <div key={key} className="contents"><dt><kbd className="font-mono text-act">{key}</kbd></dt><dd>{what}</dd></div>
        ))}
      </dl>
      <form method="dialog" className="mt-5 text-right"><button className="button">{t.close}</button></form>
    </dialog>
  );
}
