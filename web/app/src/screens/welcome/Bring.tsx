// Files from a drop or a chooser, straight to the server on this machine.
import { type DragEvent, useState } from "react";

import { client, got, type Schema } from "../../api";
import { size, Trouble } from "../../ui";
import { useDoing } from "../../use";
import { bring } from "../../upload";
import { t } from "../../words";

type Upload = Schema["Upload"];

export function Bring({ files, set, read, busy }: {
  files: Upload[];
  set: (files: Upload[]) => void;
  read: () => void;
  busy: boolean;
}) {
  const [over, setOver] = useState(false);
  const [arriving, setArriving] = useState<{ name: string; share: number } | null>(null);
  const doing = useDoing();
  const list = async () => set(await got(client.GET("/api/inbox")));

  function take(brought: Iterable<File>) {
    doing.run(async () => {
      try {
        for (const file of brought) {
          setArriving({ name: file.name, share: 0 });
          await bring(file, (share) => setArriving({ name: file.name, share }));
        }
      } finally {
        setArriving(null);
        await list();
      }
    });
  }
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files);
  };
  return (
    <section className="space-y-5">
      <div>
        <h2>{t.bringTitle}</h2>
        <p className="text-quiet">{t.bringLead}</p>
      </div>
      <div onDragOver={(e) => { e.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={drop}
        className={`rounded-2xl border-2 border-dashed p-10 text-center ${over ? "border-act bg-tint" : "border-line"}`}>
        {t.drop}{" "}
        <label className="link text-act! focus-within:outline-2 focus-within:outline-act">
          {t.choose}
          <input type="file" multiple className="sr-only" onChange={(e) => take(Array.from(e.target.files ?? []))} />
        </label>
      </div>
      {arriving && (
        <p role="status" className="flex items-center gap-4">
          <span className="min-w-0 flex-1 truncate">{arriving.name}</span>
          <progress className="w-40 accent-act" value={arriving.share} max={1} aria-label={arriving.name} />
          <span className="w-12 text-right tabular-nums">{Math.floor(arriving.share * 100)} %</span>
        </p>
      )}
      <Trouble error={doing.error} />
      {files.length > 0 && (
        <ul aria-label={t.chosenFiles} className="divide-y divide-line">
          {files.map((f) => (
            <li key={f.name} className="flex gap-4 py-2">
              <span className="min-w-0 flex-1 break-words">{f.name}</span>
              <span className="text-quiet tabular-nums">{size(f.bytes)}</span>
              <button type="button" className="link" aria-label={`${t.remove}: ${f.name}`} onClick={() => doing.run(async () => {
                await got(client.DELETE("/api/inbox/{name}", { params: { path: { name: f.name } } }));
                await list();
              })}>{t.remove}</button>
            </li>
          ))}
        </ul>
      )}
      <button type="button" className="button-main" disabled={busy || doing.busy || !files.length} onClick={read}>{t.read}</button>
    </section>
  );
}
