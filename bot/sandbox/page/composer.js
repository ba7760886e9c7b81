// Where one writes: Enter sends, Shift+Enter makes a new line; drafts and files stay with their place.
import { Completion } from "./completion.js";
import { el, toast } from "./dom.js";

const LARGEST = 1024 * 1024; // bytes of a file: the workspace takes text

/**
 * One message field. `send(text, files)` resolves when the message is posted; `offers` are what
 * completes a word; `editLast()` edits one's last message.
 */
export class Composer {
  constructor(root, send, offers, editLast) {
    this.drafts = new Map();
    this.files = new Map();
    this.place = null;
    this.opening = "";
    this.field = el("textarea", { rows: "1", autocomplete: "off" });
    this.button = el("button", { type: "submit", class: "primary", "aria-label": "Send" }, "Send");
    this.picker = el("input", { type: "file", multiple: true, hidden: true, tabindex: "-1", on: { change: () => this.#attach(this.picker.files) } });
    this.attach = el("button", { type: "button", class: "quiet attach", "aria-label": "Attach a text file", title: "Attach a text file", on: { click: () => this.picker.click() } }, "+");
    this.attached = el("p", { class: "attached", role: "status" });
    this.form = el("form", { class: "composer" }, this.attach, this.picker, el("div", { class: "writing" }, this.field, this.attached), this.button);
    root.append(this.form);
    this.completion = new Completion(this.field, offers);
    this.field.addEventListener("input", () => this.#changed());
    this.field.addEventListener("keydown", (event) => {
      if (this.completion.key(event)) return;
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.form.requestSubmit();
      } else if (event.key === "ArrowUp" && this.#isEmpty() && editLast) {
        if (editLast()) event.preventDefault();
      }
    });
    this.field.addEventListener("paste", (event) => event.clipboardData.files.length && this.#attach(event.clipboardData.files));
    for (const kind of ["dragover", "drop"]) {
      this.form.addEventListener(kind, (event) => {
        event.preventDefault();
        if (kind === "drop") this.#attach(event.dataTransfer.files);
      });
    }
    this.form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = this.field.value.trim();
      const files = this.files.get(this.place) ?? [];
      if (this.#isEmpty() && !files.length) return;
      const place = this.place;
      this.#put(place, this.opening, []);
      try {
        await send(text, files);
      } catch (refusal) {
        toast(refusal.message);
        this.#put(place, text, files);
      }
    });
  }

  /** Write in another place; `opening` is what a new message begins with, `label` says where. */
  at(place, label, opening = "") {
    this.opening = opening;
    this.field.setAttribute("aria-label", label);
    this.field.placeholder = label;
    if (place === this.place) return;
    this.place = place;
    this.field.value = this.drafts.get(place) ?? opening;
    this.completion.close();
    this.#changed();
  }

  /** Fill in a text to be sent. */
  fill(text) {
    this.field.value = text;
    this.completion.close();
    this.#changed();
    this.focus();
  }

  focus() {
    this.field.focus();
    this.field.setSelectionRange(this.field.value.length, this.field.value.length);
  }

  #isEmpty() {
    const text = this.field.value.trim();
    return !text || text === this.opening.trim();
  }

  async #attach(files) {
    const place = this.place;
    const taken = [...(this.files.get(place) ?? [])];
    for (const file of files) {
      if (file.size > LARGEST) toast(`${file.name} is too large: 1 MB at most.`);
      else taken.push({ name: file.name, text: await file.text() });
    }
    this.picker.value = "";
    this.files.set(place, taken);
    if (place === this.place) this.#changed();
  }

  #put(place, text, files) {
    this.drafts.set(place, text);
    this.files.set(place, files);
    if (place !== this.place) return;
    this.field.value = text;
    this.#changed();
  }

  #changed() {
    this.drafts.set(this.place, this.field.value);
    const files = this.files.get(this.place) ?? [];
    this.button.disabled = this.#isEmpty() && !files.length;
    const shown = files.map((file) => file.name).join(", ");
    if (this.attached.textContent !== shown) {
      this.attached.replaceChildren(...(files.length ? [shown, " ", el("button", { type: "button", class: "plain", on: { click: () => this.#put(this.place, this.field.value, []) } }, "Remove")] : []));
    }
    // lines, not scrollHeight: to measure would lay out the whole page at every key
    const lines = this.field.value.split("\n").reduce((sum, line) => sum + 1 + Math.floor(line.length / 60), 0);
    const rows = String(Math.min(lines, 9));
    if (this.field.rows !== Number(rows)) this.field.setAttribute("rows", rows);
  }
}
