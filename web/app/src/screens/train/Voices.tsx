// The voices that were trained, each with its report.
import { client, got, type Schema } from "../../api";
import { openReport } from "../../reports";
import { when } from "../../ui";
import { useAsked } from "../../use";
import { t } from "../../words";

export function Voices({ runs, act }: { runs: readonly Schema["RunInfo"][]; act: (work: () => Promise<unknown>) => void }) {
  const reports = useAsked(() => got(client.GET("/api/reports")));
  const pages = new Set(reports.value?.map((r) => r.id));
  return (
    <section>
      <h2>{t.voices}</h2>
      <ul className="mt-2 divide-y divide-line">
        {runs.map((r) => (
          <li key={r.id} className="flex flex-wrap items-baseline gap-x-4 gap-y-1 py-2">
            <span className="break-all font-semibold">{r.id}</span>
            <span className="text-sm text-quiet">{when(r.finished)}</span>
            {r.current && <span className="text-good">{t.current}</span>}
            {!r.servable && <span className="text-warn">{t.unservable}</span>}
            <span className="ml-auto flex gap-4">
              {!r.current && r.servable && (
                <button type="button" className="link" aria-label={`${t.promote}: ${r.id}`} onClick={() =>
                  act(() => got(client.POST("/api/runs/{run}/promote", { params: { path: { run: r.id } }, body: { anyway: false } })))}>{t.promote}</button>
              )}
              {pages.has(`run-${r.id}`) && <button type="button" className="link" onClick={() => act(() => openReport(`run-${r.id}`))}>{t.trainingReport}</button>}
              {pages.has(`likeness-${r.id}`) && <button type="button" className="link" onClick={() => act(() => openReport(`likeness-${r.id}`))}>{t.likeness}</button>}
            </span>
          </li>
        ))}
      </ul>
      {runs.length > 1 && <button type="button" className="button mt-3" onClick={() => act(() => got(client.POST("/api/rollback")))}>{t.rollBack}</button>}
    </section>
  );
}
