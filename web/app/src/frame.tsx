// What stands around every screen: the rail (a bar at the bottom on a phone), theme and language.
import { useEffect, useRef, useState } from "react";

import type { Twin } from "./App";
import { SCREENS, type Screen } from "./route";
import { speak, t } from "./words";

/** What a phone's bar has room for; the rest is behind "More". */
const FIRST = ["chat", "train", "likeness", "traits"] as const satisfies readonly Screen[];
const REST = SCREENS.filter((s) => !FIRST.some((f) => f === s));

/** Two rings, one through the other: a gemel ring. */
export function Mark({ className = "" }: { className?: string }) {
  return (
    <svg viewBox="0 0 34 22" className={`h-[0.8em] w-auto fill-none ${className}`} strokeWidth="2.2" aria-hidden>
      <path d="M 20.2 5.1 A 9 9 0 1 0 20.2 16.9" className="stroke-current" />
      <path d="M 13.8 16.9 A 9 9 0 1 0 13.8 5.1" className="stroke-act" />
      <path d="M 18.2 16.5 A 9 9 0 0 0 20 11" className="stroke-current" />
    </svg>
  );
}

export function Brand() {
  return (
    <p className="flex items-baseline gap-2 font-serif text-2xl tracking-tight" translate="no">
      <Mark />gemel
    </p>
  );
}

export function Rail({ screen, twin }: { screen: Screen; twin: Twin | null }) {
  return (
    <>
      <header className="hidden shrink-0 flex-col border-r border-line px-6 py-7 md:flex md:w-46">
        <Brand />
        <nav aria-label={t.screens} className="mt-9 flex-1">
          <ul className="space-y-2">
            {SCREENS.map((name) => <li key={name}><Link name={name} now={screen} className="aria-[current=page]:-ml-3 aria-[current=page]:border-l-2 aria-[current=page]:border-act aria-[current=page]:pl-2.5" /></li>)}
          </ul>
        </nav>
        <div className="flex flex-col items-start gap-2 text-sm">
          {twin?.run && <p className="break-all text-quiet">{twin.run}</p>}
          <Manners />
        </div>
      </header>
      <Bar screen={screen} />
    </>
  );
}

function Bar({ screen }: { screen: Screen }) {
  const more = useRef<HTMLDialogElement>(null);
  useEffect(() => more.current?.close(), [screen]);
  return (
    <header className="order-last shrink-0 border-t border-line bg-sheet pb-[env(safe-area-inset-bottom)] md:hidden">
      <nav aria-label={t.screens}>
        <ul className="grid grid-cols-5 text-center text-[0.8rem]">
          {FIRST.map((name) => <li key={name}><Link name={name} now={screen} className="border-t-2 border-transparent px-0.5 py-3 aria-[current=page]:border-act" /></li>)}
          <li>
            <button type="button" aria-haspopup="dialog" onClick={() => more.current?.showModal()}
              className={`w-full border-t-2 px-0.5 py-3 ${REST.includes(screen) ? "border-act text-ink" : "border-transparent text-quiet"}`}>
              {REST.includes(screen) ? t[screen] : t.more}
            </button>
          </li>
        </ul>
      </nav>
      <dialog ref={more} aria-label={t.more} onClick={(e) => e.target === e.currentTarget && more.current?.close()}
        className="mx-auto mb-0 mt-auto w-full max-w-full rounded-t-2xl border-t border-line bg-sheet p-0 text-ink">
        <div className="px-6 pb-8 pt-6">
          <Brand />
          <ul className="mt-5 divide-y divide-line text-lg">
            {REST.map((name) => <li key={name}><Link name={name} now={screen} className="py-3" left={() => more.current?.close()} /></li>)}
          </ul>
          <div className="mt-6 flex items-center gap-6"><Manners /><button type="button" className="button ml-auto" onClick={() => more.current?.close()}>{t.close}</button></div>
        </div>
      </dialog>
    </header>
  );
}

function Link({ name, now, className, left }: { name: Screen; now: Screen; className: string; left?: () => void }) {
  return (
    <a href={`#/${name}`} aria-current={now === name ? "page" : undefined} onClick={left}
      className={`block truncate text-quiet hover:text-act aria-[current=page]:text-ink ${className}`}>
      {t[name]}
    </a>
  );
}

const THEME = "gemel-theme";
const night = matchMedia("(prefers-color-scheme: dark)");
const theme = () => localStorage.getItem(THEME) ?? (night.matches ? "dark" : "light");
const wear = () => {
  document.documentElement.dataset.theme = theme();
};
wear();
night.addEventListener("change", wear);

function Manners() {
  const [now, set] = useState(theme);
  const other = now === "dark" ? "light" : "dark";
  function turn() {
    localStorage.setItem(THEME, other);
    wear();
    set(other);
  }
  return (
    <>
      <button type="button" className="link" onClick={turn}>{t[other]}</button>
      <button type="button" className="link" lang={t.code === "vi" ? "en" : "vi"}
        onClick={() => speak(t.code === "vi" ? "en" : "vi")}>
        {t.language}
      </button>
    </>
  );
}
