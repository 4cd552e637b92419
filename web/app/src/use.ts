// Two hooks that every screen needs: something asked of the server, and something done there.
import { useCallback, useEffect, useState } from "react";

export interface Asked<T> {
  value: T | undefined;
  error: Error | undefined;
  again: () => void;
}

/** What `ask` answers; asked again when `keys` change. */
export function useAsked<T>(ask: () => Promise<T>, keys: readonly unknown[] = []): Asked<T> {
  const [state, set] = useState<{ value?: T; error?: Error }>({});
  const [count, setCount] = useState(0);
  useEffect(() => {
    let left = false;
    ask().then(
      (value) => left || set({ value }),
      (error: Error) => left || set((old) => ({ ...old, error })),
    );
    return () => {
      left = true;
    };
  }, [count, ...keys]);
  return { value: state.value, error: state.error, again: useCallback(() => setCount((n) => n + 1), []) };
}

/** Something that runs, and how it failed. */
export interface Doing {
  busy: boolean;
  error: Error | undefined;
  run: (work: () => Promise<unknown>) => void;
}

/** Runs something and keeps whether it runs and how it failed. */
export function useDoing(): Doing {
  const [state, set] = useState<{ busy: boolean; error?: Error }>({ busy: false });
  const run = useCallback((work: () => Promise<unknown>) => {
    set({ busy: true });
    work().then(
      () => set({ busy: false }),
      (error: Error) => set({ busy: false, error }),
    );
  }, []);
  return { busy: state.busy, error: state.error, run };
}
