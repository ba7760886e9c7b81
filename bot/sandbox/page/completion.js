// What one may go on with while writing: commands after `/`, people after `@`, channels after `#`.
import { el } from "./dom.js";

const MOST = 8;

/** A list of suggestions above a text field. `offers(sign, typed)` gives `[insert, hint]` pairs. */
export class Completion {
  constructor(field, offers) {
    this.field = field;
    this.offers = offers;
    this.items = [];
    this.list = el("ul", { class: "completion", role: "listbox", id: `completion-${Math.random().toString(36).slice(2)}`, "aria-label": "Suggestions", hidden: true });
    field.before(this.list);
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-controls", this.list.id);
    field.addEventListener("input", () => this.#look());
    field.addEventListener("blur", () => this.close());
  }

  /** Take a key; says whether it was for the list. */
  key(event) {
    if (this.list.hidden) return false;
    switch (event.key) {
      case "ArrowDown": this.#choose(this.chosen + 1); break;
      case "ArrowUp": this.#choose(this.chosen - 1); break;
      case "Enter":
      case "Tab": this.#take(this.chosen); break;
      case "Escape": this.close(); break;
      default: return false;
    }
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  close() {
    this.list.hidden = true;
    this.field.removeAttribute("aria-activedescendant");
  }

  #look() {
    const before = this.field.value.slice(0, this.field.selectionStart);
    const found = /(?:^|\s)([@#])([\w.-]*)$/.exec(before) ?? /^(\/)([\w-]*)$/.exec(before);
    this.items = found ? this.offers(found[1], found[2].toLowerCase()).slice(0, MOST) : [];
    // who wrote the whole word already wants to send it
    if (!this.items.length || (this.items.length === 1 && this.items[0][0].trim() === found[1] + found[2])) {
      this.close();
      return;
    }
    this.begin = before.length - found[2].length - 1;
    this.list.replaceChildren(...this.items.map(([insert, hint], place) => el("li", {
      role: "option",
      id: `${this.list.id}-${place}`,
      on: {
        pointerdown: (event) => {
          event.preventDefault();
          this.#take(place);
        },
      },
    }, el("strong", {}, insert.trim()), hint && el("span", { class: "faint" }, ` ${hint}`))));
    this.list.hidden = false;
    this.#choose(0);
  }

  #choose(place) {
    this.chosen = (place + this.items.length) % this.items.length;
    [...this.list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === this.chosen)));
    this.field.setAttribute("aria-activedescendant", `${this.list.id}-${this.chosen}`);
  }

  #take(place) {
    const [insert] = this.items[place];
    const { value, selectionStart } = this.field;
    this.field.value = `${value.slice(0, this.begin)}${insert}${value.slice(selectionStart)}`;
    const end = this.begin + insert.length;
    this.field.setSelectionRange(end, end);
    this.close();
    this.field.dispatchEvent(new Event("input"));
    this.close();
  }
}
