// Long work on the server: started, followed through a reload or a lost connection, told as it goes.
import { useEffect, useState } from "react";

import { client, got, raw, type Schema, told } from "./api";

export type Job = Schema["JobInfo"];
/** A line of a job's journal: a name and figures. */
export interface Note {
  name: string;
  time: number;
  task?: string;
  stage?: string;
  done?: number;
  total?: number | null;
  finished?: boolean;
  step?: number;
  steps?: number;
  loss?: number;
}

type Request = Pick<Schema["JobRequest"], "kind"> & Partial<Schema["JobRequest"]>;

export const start = (body: Request): Promise<Job> => got(client.POST("/api/jobs", { body: { me: "", base: "", ...body } }));

/** The same job once more; it goes on where it was. */
export function startAgain(job: Job): Promise<Job> {
  return start({ ...(job.params as Partial<Request>), kind: job.kind as Request["kind"] });
}

export const stop = (job: string): Promise<unknown> =>
  got(client.POST("/api/jobs/{job}/stop", { params: { path: { job } } }));

/** Every note of a job until it ends; a broken connection is taken up where it broke. */
export async function follow(job: string, hear: (note: Note) => void, signal: AbortSignal): Promise<Job | null> {
  let last = "";
  while (!signal.aborted) {
    try {
      const answer = await raw(`/api/jobs/${job}/events`, { signal, headers: last ? { "last-event-id": last } : {} });
      for await (const event of told(answer)) {
        if (event.event === "end") return JSON.parse(event.data) as Job;
        last = event.id;
        hear(JSON.parse(event.data) as Note);
      }
    } catch (error) {
      if (signal.aborted || !(error instanceof TypeError)) throw error; // TypeError: the network
    }
    await new Promise((done) => setTimeout(done, 1000));
  }
  return null;
}

export interface Followed {
  notes: Note[];
  end: Job | null;
  error: Error | undefined;
}

/** A job followed for as long as the component is shown. */
export function useJob(job: string | undefined): Followed {
  const [state, set] = useState<Followed>({ notes: [], end: null, error: undefined });
  useEffect(() => {
    set({ notes: [], end: null, error: undefined });
    if (!job) return;
    const leaving = new AbortController();
    const notes: Note[] = [];
    let drawn = 0;
    const draw = () => {
      drawn = 0;
      set((old) => ({ ...old, notes: [...notes] }));
    };
    follow(job, (note) => {
      notes.push(note);
      drawn ||= requestAnimationFrame(draw);
    }, leaving.signal).then(
      (end) => leaving.signal.aborted || set({ notes, end, error: undefined }),
      (error: Error) => leaving.signal.aborted || set({ notes, end: null, error }),
    );
    return () => {
      leaving.abort();
      cancelAnimationFrame(drawn);
    };
  }, [job]);
  return state;
}
