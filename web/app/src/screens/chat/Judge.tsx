// Under an answer: does it sound like the person, what they would have said, where it comes from and why.
import { useAuiState } from "@assistant-ui/react";
import { createContext, type FormEvent, type ReactNode, useContext, useEffect, useRef, useState } from "react";

import { client, got, type Schema } from "../../api";
import { Trouble, Waiting } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";
import { type Beside, type Talk, textOf } from "./runtime";

export const TalkContext = createContext<Talk | null>(null);

/** `children` are what can be done with any answer; they stand in the same row. An empty answer is not judged. */
export function Judge({ id, text, beside, children }: { id: string; text: string; beside: Beside; children: ReactNode }) {
  const talk = useContext(TalkContext);
  const doing = useDoing();
  const [rating, setRating] = useState(beside.rating ?? 0);
  const [better, setBetter] = useState((beside.edit ?? []).join("\n"));
  const [open, setOpen] = useState<"" | "better" | "why">("");

  function rate(value: 1 | -1) {
    const next = rating === value ? 0 : value;
    doing.run(async () => {
      const message = (await talk?.idOf(id)) ?? id;
      await got(client.PUT("/api/messages/{message}/rating", { params: { path: { message } }, body: { value: next } }));
      setRating(next);
    });
  }

  function correct(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const said = String(new FormData(event.currentTarget).get("better"));
    doing.run(async () => {
      const message = (await talk?.idOf(id)) ?? id;
      const parts = said.split("\n").filter((p) => p.trim());
      await got(client.PUT("/api/messages/{message}/edit", { params: { path: { message } }, body: { parts } }));
      setBetter(parts.join("\n"));
      setOpen("");
    });
  }

  const toggle = "text-quiet hover:text-act aria-pressed:font-semibold aria-pressed:text-act";
  return (
    <div className="w-full text-sm">
      {beside.quoted && <p className="text-quiet">{t.quoted}</p>}
      <div className="flex flex-wrap gap-x-3 gap-y-1">
        {children}
        {text && (
          <>
            <button type="button" className={toggle} aria-pressed={rating === 1} onClick={() => rate(1)}>{t.like}</button>
            <button type="button" className={toggle} aria-pressed={rating === -1} onClick={() => rate(-1)}>{t.unlike}</button>
            <button type="button" className={toggle} aria-expanded={open === "better"}
              onClick={() => setOpen(open === "better" ? "" : "better")}>{t.better}</button>
            <button type="button" className={toggle} aria-haspopup="dialog" onClick={() => setOpen("why")}>{t.why}</button>
          </>
        )}
      </div>
      {open === "better" && (
        <form className="mt-2 max-w-lg" onSubmit={correct}>
          <textarea name="better" className="field font-serif" aria-label={t.betterLabel} rows={3} defaultValue={better || text} autoFocus />
          <div className="mt-2 flex gap-2">
            <button className="button-main" disabled={doing.busy}>{t.save}</button>
            <button type="button" className="button" onClick={() => setOpen("")}>{t.cancel}</button>
          </div>
        </form>
      )}
      {better && open !== "better" && (
        <div className="mt-2 border-l-2 border-good pl-3">
          <p className="whitespace-pre-wrap font-serif text-base">{better}</p>
          <p className="text-quiet">{t.kept}</p>
        </div>
      )}
      {!!beside.citations?.length && <Sources sources={beside.citations} />}
      {open === "why" && <WhyDialog id={id} text={text} close={() => setOpen("")} />}
      <Trouble error={doing.error} />
    </div>
  );
}

export function Sources({ sources }: { sources: Schema["Source"][] }) {
  return (
    <details className="mt-1">
      <summary className="text-quiet">{t.sources(sources.length)}</summary>
      <ol className="mt-1 space-y-2 border-l border-line pl-3"><Quotes sources={sources} /></ol>
    </details>
  );
}

function Quotes({ sources }: { sources: Schema["Source"][] }) {
  return sources.map((s) => (
    <li key={s.record}>
      <p className="whitespace-pre-wrap break-words font-serif">{s.quote}</p>
      {s.title && <p className="text-quiet">{s.title}</p>}
    </li>
  ));
}

/** Five depths of shade, so that no style is written inline. */
const SHADES = ["", "bg-good/10", "bg-good/20", "bg-good/35", "bg-good/50"] as const;
export const shade = (nats: number): string =>
  nats < -0.5 ? "underline decoration-warn decoration-dotted" : (SHADES[Math.min(4, Math.max(0, Math.floor(nats)))] ?? "");

function WhyDialog({ id, text, close }: { id: string; text: string; close: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  const messages = useAuiState((s) => s.thread.messages);
  const before = messages.slice(0, messages.findIndex((m) => m.id === id));
  const why = useAsked(() =>
    got(client.POST("/api/why", {
      body: {
        answer: text,
        messages: before.flatMap((m) =>
          m.role === "system" ? [] : [{ role: m.role, text: textOf(m), name: "" }]),
      },
    })), [id]);
  useEffect(() => box.current?.showModal(), []);
  return (
    <dialog ref={box} onClose={close} aria-labelledby="why-title"
      className="m-auto w-[min(36rem,92vw)] rounded-xl border border-line bg-sheet p-6 text-base text-ink">
      <h2 id="why-title">{t.whyTitle}</h2>
      <p className="mt-1 text-sm text-quiet">{t.whyLead}</p>
      <Trouble error={why.error} />
      {!why.value && !why.error && <Waiting />}
      {why.value && (
        <>
          <p className="mt-4 font-serif text-lg leading-loose">
            {why.value.words.map((w, i) => (
              <span key={i} title={w.nats.toFixed(2)} className={`whitespace-pre-wrap rounded ${shade(w.nats)}`}>{w.text}</span>
            ))}
          </p>
          <p className="text-sm text-quiet">{t.whyTotal(why.value.total)}</p>
          <h3 className="mt-5">{t.whySimilar}</h3>
          <ol className="mt-2 max-h-56 space-y-2 overflow-y-auto text-sm" tabIndex={0}><Quotes sources={why.value.similar} /></ol>
        </>
      )}
      <form method="dialog" className="mt-5 text-right"><button className="button">{t.close}</button></form>
    </dialog>
  );
}
