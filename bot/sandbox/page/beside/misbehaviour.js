// Make Slack misbehave: switches and one-time faults, each with what the app should do about it.
import { arrange, el, toast } from "../dom.js";

/** A folding part of the Inspector tab. */
export class Misbehaviour {
  constructor(tools) {
    this.tools = tools;
    this.switches = [];
    this.drawn = "";
    this.on = el("p", { class: "faults-on", role: "status" });
    this.list = el("ul", { class: "faults" });
    this.normal = el("button", { type: "button", on: { click: () => this.#wish({ kind: "normal" }) } }, "Back to normal");
    const folded = el("details", { class: "more misbehave" },
      el("summary", {}, "Make Slack misbehave"), this.list);
    this.root = el("section", { "aria-label": "Make Slack misbehave" }, folded, el("div", { class: "faults-now" }, this.on, this.normal));
  }

  /** Take over what there is and what is switched on. */
  load(switches) {
    this.switches = switches;
  }

  draw() {
    const known = JSON.stringify(this.switches);
    if (known === this.drawn) return;
    this.drawn = known;
    const on = this.switches.filter((one) => one.on);
    this.on.textContent = on.length ? `Switched on: ${on.map((one) => (one.left ? `${one.label} (${one.left} to come)` : one.label)).join(", ")}.` : "";
    this.normal.hidden = !on.length;
    const focused = document.activeElement?.closest(".faults [data-fault]")?.dataset.fault;
    arrange(this.list, this.switches.map((one) => this.#draw(one)));
    if (focused) this.list.querySelector(`[data-fault="${CSS.escape(focused)}"] button`)?.focus();
  }

  #draw(one) {
    const lasting = one.kind === "switch";
    const label = lasting ? (one.on ? "Off" : "On") : one.on ? "Once more" : "Do it";
    return el("li", { "data-fault": one.name, class: one.on ? "on" : "" },
      el("div", {}, el("strong", {}, one.label),
        el("p", {}, one.sentence),
        el("p", { class: "faint" }, one.expected)),
      el("button", {
        type: "button", "aria-label": `${label}: ${one.label}`,
        on: { click: () => this.#wish(lasting && one.on ? one.off : one.wish) },
      }, label));
  }

  async #wish(wish) {
    try {
      await this.tools.deed("fault", wish);
    } catch (refusal) {
      toast(refusal.message);
    }
  }
}
