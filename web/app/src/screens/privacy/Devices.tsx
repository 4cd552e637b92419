// Who may talk to this server, and codes for more of them.
import { type FormEvent, useState } from "react";

import { client, got, type Schema } from "../../api";
import { Trouble, when } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";

const SCOPES = ["chat", "names", "train", "admin"] as const satisfies Schema["CodeRequest"]["scopes"];

export function Devices() {
  const devices = useAsked(() => got(client.GET("/api/devices")));
  const [code, setCode] = useState("");
  const doing = useDoing();
  function ask(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const said = new FormData(event.currentTarget);
    doing.run(async () => setCode((await got(client.POST("/api/devices/code", { body: { scopes: SCOPES.filter((s) => said.has(s)) } }))).code));
  }
  return (
    <section className="space-y-4">
      <h2>{t.devices}</h2>
      <Trouble error={devices.error ?? doing.error} />
      <ul className="divide-y divide-line">
        {devices.value?.map((d) => (
          <li key={d.id} className="flex flex-wrap items-baseline gap-x-4 py-2">
            <span className="flex-1">{d.name}{d.this && <span className="text-quiet"> · {t.thisDevice}</span>}</span>
            <span className="text-sm text-quiet">{d.scopes.join(", ")} · {when(d.used || d.created)}</span>
            {!d.this && <button type="button" className="link hover:text-warn!" aria-label={`${t.revoke}: ${d.name}`} onClick={() => doing.run(async () => {
              await got(client.DELETE("/api/devices/{device}", { params: { path: { device: d.id } } }));
              devices.again();
            })}>{t.revoke}</button>}
          </li>
        ))}
      </ul>
      <form className="space-y-3" onSubmit={ask}>
        <fieldset className="flex flex-wrap gap-x-5 gap-y-1">
          <legend className="text-sm text-quiet">{t.mayDo}</legend>
          {SCOPES.map((s) => (
            <label key={s} className="flex items-center gap-2"><input type="checkbox" name={s} className="accent-act" defaultChecked={s === "chat"} /> {t[`scope_${s}`]}</label>
          ))}
        </fieldset>
        <button className="button" disabled={doing.busy}>{t.addDevice}</button>
        {code && <output className="ml-4 font-mono text-lg tracking-widest">{code}</output>}
      </form>
    </section>
  );
}
