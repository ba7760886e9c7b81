// What stands in front of the page: the app's modals, questions, files. The browser's own dialog
// keeps the focus inside and closes on Escape.
import { byId, el } from "./dom.js";
import { drawBlocks } from "./blocks.js";
import { mrkdwn, plain } from "./mrkdwn.js";

/** The app's modal before the person: drawn from its view, with what was typed kept. */
export class Modal {
  constructor(world, deeds) {
    this.dialog = byId("modal");
    this.world = world;
    this.deeds = deeds;
    this.entry = null;
    /** Why the last try did not work; a redraw of the same view keeps it. */
    this.trouble = "";
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#close();
    });
  }

  /** Show this view (with `errors`), or none. */
  show(entry) {
    if (entry === this.entry) return;
    const same = entry && this.entry?.view.id === entry.view.id;
    const typed = same ? this.#typed() : new Map();
    const focused = same ? document.activeElement?.closest("[data-block]")?.dataset.block : null;
    this.entry = entry;
    if (!same) this.trouble = "";
    if (!entry) {
      if (this.dialog.open) this.dialog.close();
      this.dialog.replaceChildren();
      return;
    }
    this.dialog.replaceChildren(...this.#draw(entry));
    for (const [key, value] of typed) {
      const control = this.#controls().find((one) => keyOf(one) === key);
      if (!control || value === null || value === undefined) continue;
      if (control.hold) control.hold(value);
      else control.value = value;
    }
    if (!this.dialog.open) this.dialog.showModal();
    const wanted = focused && this.dialog.querySelector(`[data-block="${CSS.escape(focused)}"]`);
    (wanted?.matches("div, span") ? wanted.querySelector("input") : wanted || this.dialog.querySelector("input, textarea, select") || this.dialog.querySelector("[type=submit]") ||
      this.dialog.querySelector("button"))?.focus();
  }

  #draw({ view, errors }) {
    const surface = {
      act: (block, part, value) => this.deeds.clickView(view, block, part, value),
      confirm: ask,
      suggest: (part, typed) => this.deeds.suggest({}, part, typed),
      errors,
    };
    return [
      el("header", { class: "panel-head" },
        el("h2", { id: "modal-title" }, plain(view.title?.text ?? "")),
        el("button", { type: "button", class: "quiet", "aria-label": "Close", on: { click: () => this.#close() } }, "✕")),
      el("form", { class: "dialog-form", on: { submit: (event) => this.#submit(event) } },
        el("div", { class: "dialog-body", tabindex: "0", role: "group", "aria-label": "Content" }, drawBlocks(view.blocks ?? [], this.world, surface)),
        el("p", { id: "modal-trouble", class: "complaint", role: "alert", hidden: !this.trouble }, this.trouble),
        el("footer", { class: "dialog-foot" },
          el("button", { type: "button", on: { click: () => this.#close() } }, plain(view.close?.text ?? "Close")),
          view.submit && el("button", { type: "submit", class: "primary" }, plain(view.submit.text)))),
    ];
  }

  #controls() {
    return [...this.dialog.querySelectorAll("[data-block]")];
  }

  #typed() {
    return new Map(this.#controls().map((control) => [keyOf(control), (control.held ?? control.read)()]));
  }

  async #submit(event) {
    event.preventDefault();
    const { view } = this.entry;
    const values = {};
    for (const control of this.#controls()) {
      const value = control.read?.();
      if (value !== null && value !== undefined) values[control.dataset.block] = value;
    }
    await this.#try(() => this.deeds.submit(view, values));
  }

  async #close() {
    const { view } = this.entry;
    await this.#try(() => this.deeds.close(view));
  }

  async #try(work) {
    const buttons = [...this.dialog.querySelectorAll("button")];
    for (const button of buttons) button.disabled = true;
    this.#say("");
    try {
      await work();
    } catch (refusal) {
      this.#say(refusal.message);
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }

  #say(trouble) {
    this.trouble = trouble;
    const shown = byId("modal-trouble");
    if (!shown) return;
    shown.textContent = trouble;
    shown.hidden = !trouble;
  }
}

const keyOf = (control) => `${control.dataset.block} ${(control.field ?? control).dataset.action}`;

/** Ask what a confirm object asks; resolves with whether the person wants it. */
export function ask(confirm) {
  const yes = el("button", { type: "submit", value: "yes", class: confirm.style ?? "primary" }, plain(confirm.confirm?.text ?? "Yes"));
  const no = el("button", { type: "submit", value: "no" }, plain(confirm.deny?.text ?? "Cancel"));
  const words = confirm.text?.type === "mrkdwn" ? mrkdwn(confirm.text.text, nobody) : plain(confirm.text?.text);
  return present(plain(confirm.title?.text ?? "Sure?"), el("div", { class: "text" }, words), [no, yes]);
}

/** Ask for a text; resolves with it, or with null. */
export async function askText(title, label, value) {
  const field = el("textarea", { rows: "4", "aria-label": label });
  field.value = value;
  const buttons = [el("button", { type: "submit", value: "no" }, "Cancel"), el("button", { type: "submit", value: "yes", class: "primary" }, "Save")];
  const answer = present(title, field, buttons);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    buttons[1].click();
  });
  field.focus();
  return (await answer) ? field.value : null;
}

/** Ask which of these; resolves with its key, or with null. `entries` are `[key, label]`. */
export async function askWhich(title, entries) {
  const field = el("input", { type: "text", role: "combobox", "aria-label": title, "aria-expanded": "true", "aria-autocomplete": "list", autocomplete: "off", "aria-controls": "which" });
  const list = el("ul", { id: "which", role: "listbox", "aria-label": title, class: "which" });
  const go = el("button", { type: "submit", value: "yes", class: "primary" }, "Go");
  let found = entries;
  let chosen = 0;
  const choose = (place) => {
    chosen = found.length ? (place + found.length) % found.length : 0;
    [...list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === chosen)));
    list.children[chosen]?.scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", found.length ? `which-${chosen}` : "");
  };
  const draw = () => {
    found = entries.filter(([, label]) => label.toLowerCase().includes(field.value.trim().toLowerCase()));
    list.replaceChildren(...found.map(([, label], place) => el("li", {
      role: "option",
      id: `which-${place}`,
      on: {
        click: () => {
          choose(place);
          go.click();
        },
      },
    }, label)));
    choose(0);
  };
  field.addEventListener("input", draw);
  field.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(chosen + step);
  });
  draw();
  const answer = present(title, el("div", {}, field, list), [go]);
  field.focus();
  return (await answer) && found.length ? found[chosen][0] : null;
}

/** Show a file's text. */
export async function openFile(file) {
  const path = new URL(file.url_private, location.href).pathname;
  let text;
  try {
    const response = await fetch(path);
    text = response.ok ? await response.text() : `The file cannot be read (${response.status}).`;
  } catch {
    text = "The workspace cannot be reached.";
  }
  const body = el("pre", { class: "file-text", tabindex: "0" }, text);
  const save = el("a", { href: path, download: file.name, class: "button" }, "Download");
  await present(file.title || file.name, body, [save, el("button", { type: "submit", value: "no", class: "primary" }, "Close")]);
}

/** Lets go of the question that is open: its answer is no. */
let withdraw = () => {};

/** Ask with these buttons; resolves with whether one of value "yes" was pressed. One question at a time. */
export function present(title, body, buttons) {
  const dialog = byId("question");
  withdraw(); // or the answer to this one would be taken for an answer to that one
  dialog.replaceChildren(
    el("header", { class: "panel-head" }, el("h2", { id: "question-title" }, title)),
    el("form", { method: "dialog", class: "dialog-form" },
      el("div", { class: "dialog-body" }, body), el("footer", { class: "dialog-foot" }, buttons)));
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  buttons.at(-1).focus();
  return new Promise((resolve) => {
    withdraw = () => resolve(false);
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
  });
}

const nobody = {
  me: () => "", userName: (id) => id, groupName: (id) => id, inGroup: () => false,
  channelName: () => null, openChannel: () => {}, insideLink: () => null,
};
