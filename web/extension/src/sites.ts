/**
 * How sites build their conversations: where messages are, who wrote them, and how their editor takes text.
 *
 * From the editors' public structure (Gmail's roles, Lexical, Draft.js, Quill, Slate). Tried on replica pages
 * only; a site that changes falls back to the plain reading of its visible text and to its focused text box.
 */
export interface Mine {
  /** A message that matches is the owner's. */
  marked?: string;
  /** Others' messages hold this; where any does, one without it is the owner's. */
  theirs?: string;
  /** Where the page says whose account it is, and where a message says whose it is. */
  account?: { own: Sign; writer: Sign };
  /** Among these, text right of the middle is the owner's. */
  sided?: string;
}

/** The first group of `as` in an attribute (or, for "", the text) of the first element that matches `at`. */
export interface Sign {
  at: string;
  read: string;
  as: RegExp;
}

export interface Site {
  name: string;
  hosts: string[];
  /** The box a reply is written in, for when none is focused. */
  editor: string;
  message: string;
  /** Inside a message: its text, and who wrote it. */
  text: string;
  author: string;
  /** How the owner's own messages are told from others'; the first that the page allows decides. */
  mine: Mine;
  /** paste: the editor keeps its own state and takes text by a paste event; type: as if typed. */
  takes: "paste" | "type";
}

export const SITES: Site[] = [
  {
    name: "Gmail",
    hosts: ["mail.google.com"],
    editor: 'div[contenteditable="true"][role="textbox"][g_editable="true"], div.Am.Al.editable',
    message: "div.adn",
    text: "div.a3s",
    author: "span.gD",
    mine: {
      account: {
        own: { at: 'a[aria-label^="Google Account"]', read: "aria-label", as: /([^\s()<>]+@[^\s()<>]+)/ },
        writer: { at: "span.gD", read: "email", as: /(.+)/ },
      },
    },
    takes: "type",
  },
  {
    name: "Messenger",
    hosts: ["www.messenger.com", "www.facebook.com"],
    editor: 'div[contenteditable="true"][data-lexical-editor="true"]',
    message: 'div[role="row"]',
    text: 'div[dir="auto"]',
    author: "h5, h4",
    mine: { marked: '[aria-label^="You sent"], :has(> [aria-label^="You sent"])' },
    takes: "paste",
  },
  {
    name: "WhatsApp Web",
    hosts: ["web.whatsapp.com"],
    editor: 'footer div[contenteditable="true"][data-lexical-editor="true"], footer div[contenteditable="true"]',
    message: "div.message-in, div.message-out",
    text: ".selectable-text.copyable-text, .selectable-text",
    author: "[data-pre-plain-text]",
    mine: { marked: ".message-out" },
    takes: "paste",
  },
  {
    name: "X",
    hosts: ["x.com", "twitter.com"],
    editor: 'div[data-testid^="tweetTextarea_"], div[data-testid="dmComposerTextInput"]',
    message: 'article[data-testid="tweet"], div[data-testid="messageEntry"]',
    text: 'div[data-testid="tweetText"]',
    author: 'div[data-testid="User-Name"]',
    mine: {
      account: {
        own: { at: 'a[data-testid="AppTabBar_Profile_Link"]', read: "href", as: /^\/(\w+)/ },
        writer: { at: 'div[data-testid="User-Name"] a[href^="/"]', read: "href", as: /^\/(\w+)/ },
      },
      sided: 'div[data-testid="messageEntry"]',
    },
    takes: "paste",
  },
  {
    name: "LinkedIn",
    hosts: ["www.linkedin.com"],
    editor: 'div.msg-form__contenteditable[contenteditable="true"], div.ql-editor[contenteditable="true"]',
    message: "li.msg-s-message-list__event",
    text: "p.msg-s-event-listitem__body",
    author: "span.msg-s-message-group__name",
    mine: {
      theirs: ".msg-s-event-listitem--other",
      account: {
        own: { at: "img.global-nav__me-photo", read: "alt", as: /(.+)/ },
        writer: { at: "span.msg-s-message-group__name", read: "", as: /(.+)/ },
      },
    },
    takes: "type",
  },
  {
    name: "Slack",
    hosts: ["app.slack.com"],
    editor: 'div.ql-editor[contenteditable="true"]',
    message: 'div[data-qa="message_container"]',
    text: 'div[data-qa="message-text"], .p-rich_text_block',
    author: '[data-qa="message_sender_name"]',
    mine: {
      account: {
        own: { at: '[data-qa="user-button"] img', read: "src", as: /-([UW][A-Z0-9]{6,})-/ },
        writer: { at: "[data-message-sender]", read: "data-message-sender", as: /(.+)/ },
      },
    },
    takes: "paste",
  },
  {
    name: "Discord",
    hosts: ["discord.com"],
    editor: 'div[role="textbox"][data-slate-editor="true"]',
    message: 'li[id^="chat-messages-"]',
    text: 'div[id^="message-content-"]',
    author: '[id^="message-username-"]',
    mine: {
      account: {
        own: { at: 'section[aria-label="User area"] img', read: "src", as: /\/avatars\/(\d+)\// },
        writer: { at: 'img[src*="/avatars/"]', read: "src", as: /\/avatars\/(\d+)\// },
      },
    },
    takes: "paste",
  },
];

/** A page may say which site it copies, on loopback only: that is how the replicas are tried. */
export function siteOf(host: string, replica: string | null): Site | undefined {
  if (host === "127.0.0.1" || host === "localhost") return SITES.find((s) => s.name === replica);
  return SITES.find((s) => s.hosts.includes(host));
}
