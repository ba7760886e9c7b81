// The keyboard: between panels, between messages, to a channel, and a list of all that.
import { byId, el } from "./dom.js";
import { present } from "./dialogs.js";

const KEYS = [
  ["Ctrl+K or ⌘K", "jump to a channel"],
  ["F6, Shift+F6", "next, previous panel"],
  ["j, k or ↓, ↑", "next, previous message, in the list of messages"],
  ["Enter", "open the message's thread, or its first button with Tab"],
  ["m", "the message's menu: reactions, link, edit"],
  ["Escape", "close the thread, a menu or a dialog"],
  ["↑ in an empty field", "edit your last message"],
  ["Enter, Shift+Enter", "send, new line"],
  ["?", "this list"],
];
const PANELS = ["persona-choice", "list", "home", "channel-log", "channel-composer", "thread-log", "thread-composer", "beside"];

const isTyping = (target) => target.closest?.("textarea, input, select, [contenteditable]");

/** Listen. `jump()` asks for a channel; `openThread(ts)` and `menu(node)` act on a message. */
export function listen({ jump, openThread, menu }) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return; // what it asks is answered first
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      jump();
    } else if (event.key === "F6") {
      event.preventDefault();
      nextPanel(event.shiftKey ? -1 : 1);
    } else if (!isTyping(event.target) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      inMessages(event, openThread, menu);
    }
  });
}

/** Show what the keys do. */
export function explain() {
  const rows = KEYS.map(([keys, what]) => el("tr", {}, el("th", { scope: "row" }, keys), el("td", {}, what)));
  return present("Keys", el("table", { class: "keys" }, rows), [el("button", { type: "submit", value: "no", class: "primary" }, "Close")]);
}

function inMessages(event, openThread, menu) {
  if (event.key === "?") {
    event.preventDefault();
    explain();
    return;
  }
  const log = event.target.closest?.(".log");
  if (!log) return;
  const messages = [...log.querySelectorAll("article")];
  const now = event.target.closest("article");
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    const from = now ? messages.indexOf(now) : step > 0 ? -1 : messages.length;
    messages[Math.max(0, Math.min(messages.length - 1, from + step))]?.focus();
  } else if (event.key === "Enter" && event.target === now && now) {
    event.preventDefault();
    openThread(now.dataset.root);
  } else if (event.key === "m" && now) {
    event.preventDefault();
    menu(now);
  }
}

function nextPanel(step) {
  const shown = PANELS.map(byId).filter((panel) => panel && panel.getClientRects().length);
  const now = shown.findIndex((panel) => panel.contains(document.activeElement));
  const panel = shown[(now + step + shown.length) % shown.length];
  const field = panel.matches(".log") ? panel : panel.querySelector("textarea") ?? panel.querySelector("select, [aria-current], [role=tab][tabindex='0'], button");
  (field ?? panel).focus();
}
