// The frame: pair first, then the screens, each loaded when it is opened.
import { type FormEvent, lazy, Suspense, useEffect, useState } from "react";

import { client, Failed, got, pair, paired, type Schema, unpair } from "./api";
import { Brand, Rail } from "./frame";
import { go, type Screen, useScreen } from "./route";
import { Trouble, Waiting } from "./ui";
import { useDoing } from "./use";
import { t } from "./words";

export type Twin = Schema["TwinInfo"];
export interface Props {
  /** Null until there is something to talk to. */
  twin: Twin | null;
  /** Ask the server again who answers. */
  renew: () => Promise<void>;
}

const PAGES = {
  chat: lazy(() => import("./screens/chat/Chat")),
  train: lazy(() => import("./screens/train/Train")),
  likeness: lazy(() => import("./screens/likeness/Likeness")),
  traits: lazy(() => import("./screens/traits/Traits")),
  compare: lazy(() => import("./screens/compare/Compare")),
  synth: lazy(() => import("./screens/synth/Synth")),
  monitor: lazy(() => import("./screens/monitor/Monitor")),
  privacy: lazy(() => import("./screens/privacy/Privacy")),
  welcome: lazy(() => import("./screens/welcome/Welcome")),
} satisfies Record<Screen, unknown>;

export function App() {
  const [state, set] = useState<"asking" | "pairing" | "in">("asking");
  const [twin, setTwin] = useState<Twin | null>(null);
  const [error, setError] = useState<Error>();
  const screen = useScreen();

  async function renew() {
    try {
      setTwin(await got(client.GET("/api/twin")));
    } catch (failed) {
      if (failed instanceof Failed && failed.status === 401) {
        unpair();
        set("pairing");
        return;
      }
      // a workspace in which nothing was made yet has nobody to answer
      if (!(failed instanceof Failed) || failed.status >= 500) throw failed;
      setTwin(null);
    }
    set("in");
  }

  useEffect(() => {
    const code = /^#pair=(\w+)$/.exec(location.hash)?.[1];
    async function begin() {
      if (code) {
        history.replaceState(null, "", "/");
        if (!paired()) await pair(code);
      }
      if (paired()) await renew();
      else set("pairing");
    }
    begin().catch((failed: Error) => {
      setError(failed);
      set(paired() ? "in" : "pairing");
    });
  }, []);

  useEffect(() => {
    document.title = twin?.disclosure ?? "gemel";
  }, [twin]);

  if (state === "asking") return <div className="p-8"><Waiting /></div>;
  if (state === "pairing") return <Pairing error={error} done={renew} />;
  const shown = screen ?? (twin ? "chat" : "welcome");
  const Shown = PAGES[twin || shown !== "chat" ? shown : "welcome"];
  return (
    <div className="flex h-dvh flex-col md:flex-row">
      <a href="#main" className="sr-only focus:not-sr-only focus:absolute focus:z-10 focus:bg-sheet focus:p-3"
        onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>
        {t.skip}
      </a>
      <Rail screen={shown} twin={twin} />
      <main id="main" tabIndex={-1} className="min-h-0 flex-1 overflow-y-auto outline-none">
        {error && <div className="p-5"><Trouble error={error} /></div>}
        <Suspense fallback={<div className="p-8"><Waiting /></div>}>
          <Shown twin={twin} renew={renew} />
        </Suspense>
      </main>
    </div>
  );
}

function Pairing({ error, done }: { error: Error | undefined; done: () => Promise<void> }) {
  const [code, set] = useState("");
  const doing = useDoing();
  function submit(event: FormEvent) {
    event.preventDefault();
    doing.run(async () => {
      await pair(code);
      await done();
      if (location.hash === "") go("chat");
    });
  }
  return (
    <main className="mx-auto max-w-md px-6 py-20">
      <Brand />
      <h1 className="mt-10">{t.pairTitle}</h1>
      <p className="mt-2 text-quiet">{t.pairLead}</p>
      <form className="mt-6 flex items-end gap-3" onSubmit={submit}>
        <label className="flex-1">
          <span className="text-sm text-quiet">{t.pairCode}</span>
          <input className="field mt-1 font-mono uppercase tracking-widest" value={code} autoFocus autoComplete="off"
            spellCheck={false} required minLength={4} maxLength={20} onChange={(e) => set(e.target.value)} />
        </label>
        <button className="button-main" disabled={doing.busy}>{t.pair}</button>
      </form>
      <div className="mt-5"><Trouble error={doing.error ?? error} /></div>
    </main>
  );
}
