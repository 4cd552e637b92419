// The turns of a talk and the place to write the next one.
import {
  ActionBarPrimitive,
  BranchPickerPrimitive,
  ComposerPrimitive,
  ErrorPrimitive,
  MessagePrimitive,
  ThreadPrimitive,
  useAuiState,
} from "@assistant-ui/react";

import { t } from "../../words";
import { Judge } from "./Judge";
import { type Beside, textOf } from "./runtime";

export function Thread() {
  return (
    <ThreadPrimitive.Root className="flex min-h-0 flex-1 flex-col">
      <ThreadPrimitive.Viewport className="min-h-0 flex-1 overflow-y-auto" tabIndex={0} aria-label={t.chat} role="log">
        <div className="mx-auto w-full max-w-2xl px-5 py-6">
          <ThreadPrimitive.Empty>
            <div className="py-[12dvh]">
              <h2 className="text-3xl">{t.emptyTitle}</h2>
              <p className="mt-2 max-w-prose text-quiet">{t.emptyLead}</p>
            </div>
          </ThreadPrimitive.Empty>
          <ThreadPrimitive.Messages components={{ UserMessage: Mine, AssistantMessage: Theirs, UserEditComposer: Edit }} />
        </div>
      </ThreadPrimitive.Viewport>
      <div className="mx-auto w-full max-w-2xl px-5 pb-4">
        <ComposerPrimitive.Root className="flex items-end gap-2 rounded-2xl border border-line bg-sheet p-2 focus-within:border-act">
          <ComposerPrimitive.Input id="write" aria-label={t.write} placeholder={t.placeholder} rows={1} maxRows={8} autoFocus
            className="min-w-0 flex-1 resize-none bg-transparent px-2 py-1.5 outline-none" />
          <ThreadPrimitive.If running={false}>
            <ComposerPrimitive.Send className="button-main">{t.send}</ComposerPrimitive.Send>
          </ThreadPrimitive.If>
          <ThreadPrimitive.If running>
            <ComposerPrimitive.Cancel className="button-main">{t.stop}</ComposerPrimitive.Cancel>
          </ThreadPrimitive.If>
        </ComposerPrimitive.Root>
      </div>
    </ThreadPrimitive.Root>
  );
}

function useText(): string {
  return useAuiState((s) => textOf(s.message));
}

function Bubbles({ text, mine }: { text: string; mine: boolean }) {
  const look = mine ? "rounded-br-sm bg-tint" : "rounded-bl-sm border border-line bg-sheet font-serif text-[1.05rem]";
  return text
    .split("\n")
    .filter((part) => part.trim())
    .map((part, i) => (
      <p key={i} className={`w-fit max-w-full whitespace-pre-wrap break-words rounded-2xl px-4 py-2 ${look}`}>{part}</p>
    ));
}

function Branches() {
  return (
    <BranchPickerPrimitive.Root hideWhenSingleBranch className="flex items-center gap-1 tabular-nums">
      <BranchPickerPrimitive.Previous aria-label={t.previous} className="px-2 hover:text-act disabled:opacity-40">‹</BranchPickerPrimitive.Previous>
      <span><BranchPickerPrimitive.Number />/<BranchPickerPrimitive.Count /></span>
      <BranchPickerPrimitive.Next aria-label={t.next} className="px-2 hover:text-act disabled:opacity-40">›</BranchPickerPrimitive.Next>
    </BranchPickerPrimitive.Root>
  );
}

function Copy() {
  return (
    <ActionBarPrimitive.Copy className="link group/copy">
      <span className="group-data-copied/copy:hidden">{t.copy}</span>
      <span className="hidden group-data-copied/copy:inline" role="status">{t.copied}</span>
    </ActionBarPrimitive.Copy>
  );
}

function Mine() {
  const text = useText();
  return (
    <MessagePrimitive.Root className="group my-5 flex flex-col items-end gap-1" data-role="user">
      <div className="flex max-w-[85%] flex-col items-end gap-1"><Bubbles text={text} mine /></div>
      <ActionBarPrimitive.Root className="flex items-center gap-3 text-sm text-quiet">
        <Branches />
        <ActionBarPrimitive.Edit className="link">{t.edit}</ActionBarPrimitive.Edit>
        <Copy />
      </ActionBarPrimitive.Root>
    </MessagePrimitive.Root>
  );
}

function Theirs() {
  const text = useText();
  const id = useAuiState((s) => s.message.id);
  const running = useAuiState((s) => s.message.status?.type === "running");
  const beside = useAuiState((s) => s.message.metadata.custom) as Beside;
  return (
    <MessagePrimitive.Root className="my-5 flex flex-col items-start gap-1" data-role="assistant" aria-busy={running}>
      <div className="flex max-w-[85%] flex-col items-start gap-1"><Bubbles text={text} mine={false} /></div>
      {running && !text && <p className="px-1 text-quiet" aria-hidden>…</p>}
      <MessagePrimitive.Error>
        <ErrorPrimitive.Root role="alert" className="border-l-2 border-warn pl-3 text-warn"><ErrorPrimitive.Message /></ErrorPrimitive.Root>
      </MessagePrimitive.Error>
      {!running && (
        <Judge key={id} id={id} text={text} beside={beside}>
          <ActionBarPrimitive.Root className="flex flex-wrap items-center gap-x-3 gap-y-1 text-quiet">
            <Branches />
            <ActionBarPrimitive.Reload className="link">{t.again}</ActionBarPrimitive.Reload>
            <Copy />
          </ActionBarPrimitive.Root>
        </Judge>
      )}
    </MessagePrimitive.Root>
  );
}

function Edit() {
  return (
    <ComposerPrimitive.Root className="my-5 ml-auto flex w-[85%] flex-col gap-2 rounded-2xl border border-act bg-sheet p-3">
      <ComposerPrimitive.Input aria-label={t.edit} className="w-full resize-none bg-transparent outline-none" autoFocus />
      <div className="flex justify-end gap-2">
        <ComposerPrimitive.Cancel className="button">{t.cancel}</ComposerPrimitive.Cancel>
        <ComposerPrimitive.Send className="button-main">{t.send}</ComposerPrimitive.Send>
      </div>
    </ComposerPrimitive.Root>
  );
}
