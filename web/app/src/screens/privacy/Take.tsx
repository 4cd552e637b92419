// Everything about the owner as one file, and the pages that stages wrote.
import { client, got, raw } from "../../api";
import { openReport } from "../../reports";
import { Trouble, when } from "../../ui";
import { useAsked, useDoing } from "../../use";
import { t } from "../../words";

const FILE = "gemel-about-me.zip";

export function Take() {
  const reports = useAsked(() => got(client.GET("/api/reports")));
  const doing = useDoing();
  return (
    <section className="space-y-4">
      <h2>{t.exportTitle}</h2>
      <p className="max-w-prose text-quiet">{t.exportLead}</p>
      <button type="button" className="button-main" disabled={doing.busy} onClick={() => doing.run(take)}>{t.exportNow}</button>
      <Trouble error={reports.error ?? doing.error} />
      {!!reports.value?.length && (
        <>
          <h3 className="pt-2 text-lg">{t.reports}</h3>
          <ul className="divide-y divide-line">
            {reports.value.map((r) => (
              <li key={r.id} className="flex flex-wrap items-baseline gap-x-4 py-2">
                <button type="button" className="link break-all text-left" onClick={() => doing.run(() => openReport(r.id))}>{r.title}</button>
                <span className="ml-auto text-sm text-quiet">{when(r.changed)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

/** The zip comes with the token, so it is fetched first and then saved from memory. */
async function take(): Promise<void> {
  const address = URL.createObjectURL(await (await raw("/api/privacy/export")).blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = FILE;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
