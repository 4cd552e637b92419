// The twin over time: what is watched, likeness on messages nobody has seen yet, drift of the person and of the twin.
import { useEffect } from "react";

import type { Props } from "../../App";
import { client, got, type Schema } from "../../api";
import { Page, Trouble, Waiting, when } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";
import { measure, watched } from "../../words/names";
import { digits } from "../likeness/pivot";
import { Series } from "./Series";

type Info = Schema["MonitorInfo"];

export default function Monitor(_: Props) {
  const asked = useAsked(() => got(client.GET("/api/monitor")));
  const doing = useDoing();
  const info = asked.value;
  useEffect(() => {
    if (!info?.running) return;
    const soon = setTimeout(asked.again, 2000);
    return () => clearTimeout(soon);
  }, [info, asked.again]);
  return (
    <Page title={t.monitorTitle} lead={t.monitorLead}>
      {!info && !asked.error && <Waiting />}
      <Trouble error={asked.error ?? doing.error} />
      {info && (
        <>
          <div className="flex flex-wrap items-center gap-4">
            <button type="button" className="button-main" disabled={doing.busy || info.running} onClick={() => doing.run(async () => {
              await got(client.POST("/api/monitor"));
              asked.again();
            })}>{t.takeLook}</button>
            {info.running && <Waiting what={t.lookingNow} />}
          </div>
          {info.error && <p role="alert" className="border-l-2 border-warn pl-3 text-warn">{info.error}</p>}
          <Alarms of={info.alarms} />
          {info.series.some((s) => s.points.length > 0) && (
            <section className="space-y-4">
              <h2>{t.readings}</h2>
              <ul className="grid gap-6 sm:grid-cols-2">{info.series.map((s) => <Series key={s.metric} of={s} />)}</ul>
            </section>
          )}
          {info.last && <Last of={info.last} />}
          <Live of={info.live} />
        </>
      )}
    </Page>
  );
}

function Alarms({ of }: { of: Info["alarms"] }) {
  return (
    <section>
      <h2>{t.watched}</h2>
      <ul className="mt-2 divide-y divide-line">
        {[...of].sort((a, b) => Number(b.up) - Number(a.up)).map((a) => (
          <li key={a.metric} className="py-2">
            <p className="flex flex-wrap items-baseline justify-between gap-x-4">
              <span className={a.up ? "font-semibold text-warn" : ""}>{watched(a.metric, a.title)}</span>
              <span className="tabular-nums text-quiet">
                {a.value == null ? t.noReading : digits(a.value)} · {t.raisedAt(a.above, digits(a.raised))}
              </span>
            </p>
            {a.up && <p className="text-sm text-quiet">{a.advice}{a.since > 0 && ` · ${t.since(when(a.since))}`}</p>}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Last({ of }: { of: NonNullable<Info["last"]> }) {
  return (
    <section className="space-y-5">
      <h2>{t.lastLook}</h2>
      {of.likeness_refused && <p className="text-quiet">{of.likeness_refused}</p>}
      <Drift title={t.driftPerson} of={of.person} />
      <Drift title={t.driftTwin} of={of.twin} />
      <div>
        <h3 className="text-lg">{t.tics}</h3>
        {of.tics_refused && <p className="text-quiet">{of.tics_refused}</p>}
        {!of.tics_refused && of.tics === 0 && <p className="text-good">{t.noTics}</p>}
        <ul className="mt-1 space-y-1">
          {of.phrases.map((p) => (
            <li key={p.text}><span className="font-serif text-lg">“{p.text}”</span> <span className="text-quiet">{t.saidOften(p.rate, p.own)}</span></li>
          ))}
        </ul>
      </div>
    </section>
  );
}

function Drift({ title, of }: { title: string; of: Schema["DriftInfo"] }) {
  return (
    <div>
      <h3 className="text-lg">{title}</h3>
      {of.refused && <p className="text-quiet">{of.refused}</p>}
      {of.shifts.length > 0 && (
        <table className="table mt-1">
          <thead><tr><th scope="col">{t.metric}</th><th scope="col" className="text-right">{t.before}</th><th scope="col" className="text-right">{t.after}</th><th scope="col" className="text-right">p</th></tr></thead>
          <tbody className="tabular-nums">
            {of.shifts.map((s) => (
              <tr key={s.name}>
                <th scope="row" className="border-t border-line text-ink!">{measure(s.name)}</th>
                <td className="text-right">{digits(s.before)}</td>
                <td className="text-right">{digits(s.after)}</td>
                <td className={`text-right ${s.p < 0.01 ? "text-warn" : "text-quiet"}`}>{s.p.toFixed(3)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

function Live({ of }: { of: Info["live"] }) {
  const told = (seconds: number | null) => (seconds === null ? "–" : `${seconds.toFixed(2)} s`);
  const rows: [string, string][] = [
    [t.answersSince, String(of.answers)],
    [t.refusedSince, String(of.refused)],
    [t.firstPiece, `${told(of.first_p50)} / ${told(of.first_p95)}`],
    [t.wholeAnswer, `${told(of.whole_p50)} / ${told(of.whole_p95)}`],
  ];
  return (
    <section>
      <h2>{t.live}</h2>
      <dl className="mt-2 grid max-w-xl grid-cols-[1fr_auto] gap-x-6 gap-y-1">
        {rows.map(([name, value]) => <div key={name} className="contents"><dt className="text-quiet">{name}</dt><dd className="text-right tabular-nums">{value}</dd></div>)}
      </dl>
    </section>
  );
}
