// Where one writes: Enter sends, Shift+Enter makes a new line; drafts stay with their place.
import { el, toast } from "./dom.js";

/** One message field. `send(text)` resolves when the message is posted. */
export class Composer {
  constructor(root, send) {
    this.drafts = new Map();
    this.place = null;
    this.opening = "";
    this.field = el("textarea", { rows: "1", autocomplete: "off" });
    this.button = el("button", { type: "submit", class: "primary", "aria-label": "Send" }, "Send");
    this.form = el("form", { class: "composer" }, this.field, this.button);
    root.append(this.form);
    this.field.addEventListener("input", () => this.#changed());
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.form.requestSubmit();
      }
    });
    this.form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = this.field.value.trim();
      if (!text || text === this.opening.trim()) return;
      const place = this.place;
      this.#put(place, this.opening);
      try {
        await send(text);
      } catch (refusal) {
        toast(refusal.message);
        this.#put(place, text);
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
    this.#changed();
  }

  /** Fill in a text to be sent. */
  fill(text) {
    this.field.value = text;
    this.#changed();
    this.focus();
  }

  focus() {
    this.field.focus();
    this.field.setSelectionRange(this.field.value.length, this.field.value.length);
  }

  #put(place, text) {
    this.drafts.set(place, text);
    if (place !== this.place) return;
    this.field.value = text;
    this.#changed();
  }

  #changed() {
    const text = this.field.value;
    this.drafts.set(this.place, text);
    this.button.disabled = !text.trim() || text.trim() === this.opening.trim();
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight + 2, 220)}px`;
  }
}
