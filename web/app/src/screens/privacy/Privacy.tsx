// What is stored, whose words it is, which devices come in, and how to forget.
import { useState } from "react";

import type { Props } from "../../App";
import { client, got } from "../../api";
import { Consent } from "../../consent";
import { Page, size, Trouble, Waiting, when } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";

interface Place {
  name: string;
  what: string;
  bytes: number;
}

export default function Privacy({ renew }: Props) {
  return (
    <Page title={t.privacyTitle} lead={t.privacyLead}>
      <People renew={renew} />
      <Devices />
      <Stored />
      <section>
        <h2>{t.exportTitle}</h2>
        <p className="mt-1 max-w-prose text-quiet">{t.exportLead}</p>
      </section>
    </Page>
  );
}

function Stored() {
  const stored = useAsked(() => got(client.GET("/api/privacy")));
  const places = (stored.value?.places ?? []) as unknown as Place[];
  return (
    <section>
      <h2>{t.stored}</h2>
      <Trouble error={stored.error} />
      {!stored.value && !stored.error && <Waiting />}
      {stored.value && (
        <table className="table mt-2">
          <thead><tr><th>{t.place}</th><th className="text-right">{t.bytes}</th></tr></thead>
          <tbody>
            {places.map((p) => (
              <tr key={p.name}>
                <td><b className="font-semibold">{p.name}</b><span className="block text-sm text-quiet">{p.what}</span></td>
                <td className="whitespace-nowrap text-right tabular-nums">{size(p.bytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {stored.value?.sent.length === 0 && <p className="mt-3 text-good">{t.sentNothing}</p>}
    </section>
  );
}

function People({ renew }: { renew: () => Promise<void> }) {
  const people = useAsked(() => got(client.GET("/api/people")));
  const [gone, setGone] = useState<number | null>(null);
  const doing = useDoing();
  const change = (work: () => Promise<unknown>) => doing.run(async () => {
    await work();
    people.again();
    await renew();
  });
  return (
    <section>
      <h2>{t.people}</h2>
      <Trouble error={people.error ?? doing.error} />
      {gone !== null && <p role="status" className="text-good">{t.forgot(gone)}</p>}
      <ul className="mt-2 divide-y divide-line">
        {people.value?.map((p) => (
          <li key={p.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2">
            <span className="flex-1">{p.name}{p.me && <span className="text-quiet"> · {t.you}</span>}</span>
            {!p.me && (
              <>
                <Consent person={p} set={change} />
                <button type="button" className="link hover:text-warn!" aria-label={`${t.forget}: ${p.name}`} onClick={() => {
                  if (!confirm(t.forgetSure(p.name))) return;
                  change(async () => setGone((await got(client.POST("/api/forget", { body: { kind: "person", which: p.id } }))).records));
                }}>{t.forget}</button>
              </>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Devices() {
  const devices = useAsked(() => got(client.GET("/api/devices")));
  const [code, setCode] = useState("");
  const doing = useDoing();
  return (
    <section>
      <h2>{t.devices}</h2>
      <Trouble error={devices.error ?? doing.error} />
      <ul className="mt-2 divide-y divide-line">
        {devices.value?.map((d) => (
          <li key={d.id} className="flex flex-wrap gap-x-4 py-2">
            <span className="flex-1">{d.name}{d.this && <span className="text-quiet"> · {t.thisDevice}</span>}</span>
            <span className="text-sm text-quiet">{d.scopes.join(", ")} · {when(d.created)}</span>
            {!d.this && <button type="button" className="link" aria-label={`${t.revoke}: ${d.name}`} onClick={() => doing.run(async () => {
              await got(client.DELETE("/api/devices/{device}", { params: { path: { device: d.id } } }));
              devices.again();
            })}>{t.revoke}</button>}
          </li>
        ))}
      </ul>
      <button type="button" className="button mt-2" onClick={() => doing.run(async () =>
        setCode((await got(client.POST("/api/devices/code", { body: { scopes: ["chat"] } }))).code))}>{t.addDevice}</button>
      {code && <output className="ml-4 font-mono text-lg tracking-widest">{code}</output>}
    </section>
  );
}
