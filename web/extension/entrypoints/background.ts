/**
 * Gestures from outside the panel: the button, the menu, the address bar, the shortcut.
 *
 * Each leaves a note of what was asked and opens the panel, which does the work: a worker may be put to sleep at
 * any time, so nothing that takes time runs here. There is no message listener: no page can ask for anything.
 */
import { setIntent, type Intent } from "../src/settings";

export default defineBackground(() => {
  browser.runtime.onInstalled.addListener(() => {
    browser.contextMenus.create({ id: "ask", title: "What would I say to this?", contexts: ["selection"] });
    browser.contextMenus.create({ id: "reply", title: "Reply as me", contexts: ["editable"] });
  });

  browser.action.onClicked.addListener((tab) => {
    if (tab.id !== undefined) show(tab.id);
  });

  browser.contextMenus.onClicked.addListener((info, tab) => {
    if (tab?.id === undefined) return;
    open(info.menuItemId === "reply" ? "reply" : "passage", tab.id, info.selectionText ?? "");
  });

  browser.commands.onCommand.addListener((command, tab) => {
    if (command === "reply" && tab?.id !== undefined) open("reply", tab.id, "");
  });

  browser.omnibox.setDefaultSuggestion({ description: "Ask your twin: %s" });
  browser.omnibox.onInputEntered.addListener((text) => {
    void browser.tabs.query({ active: true, lastFocusedWindow: true }).then(([tab]) => {
      if (tab?.id !== undefined) open("ask", tab.id, text);
    });
  });
});

function open(kind: Intent["kind"], tab: number, text: string): void {
  show(tab);
  void setIntent({ kind, tab, text, at: Date.now() });
}

/** The panel opens at once, within the gesture; where the browser sees none, as a tab. */
function show(tab: number): void {
  const url = browser.runtime.getURL(`/panel.html?tab=${tab}`);
  browser.sidePanel.open({ tabId: tab }).catch(() => browser.tabs.create({ url }));
}
