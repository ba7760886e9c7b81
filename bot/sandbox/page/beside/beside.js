// Beside the conversation: the cluster, what the app and Slack say to one another, and a tour.
import { byId, el } from "../dom.js";
import { ClusterView } from "./cluster.js";
import { Inspector } from "./inspector.js";
import { Tour } from "./tour.js";

/** The kinds of feed entries that this panel wants to see. */
export const KINDS = ["call", "envelope", "violation", "switches"];

const CHOICE = "beside-tab";

/**
 * The panel: three tabs. `tools` are what it may use of the page: `store` (the workspace as the
 * page has it), `deed(name, wish)`, `world` (who one is, names) and `go({me, channel, thread,
 * fill})`, which moves the person.
 */
export class Beside {
  constructor(root, tools) {
    this.root = root;
    this.tools = tools;
    this.raw = null;
    const shared = { ...tools, open: (tab) => this.open(tab), shows: (tab) => this.shows(tab) };
    this.views = {
      cluster: new ClusterView(shared),
      inspector: new Inspector(shared),
      tour: new Tour(shared),
    };
    this.tabs = Object.fromEntries(Object.entries({ cluster: "Cluster", inspector: "Inspector", tour: "Tour" })
      .map(([key, label]) => [key, this.#tab(key, label)]));
    this.panels = Object.fromEntries(Object.entries(this.views).map(([key, view]) => [key, el("div", {
      class: "beside-body", id: `beside-${key}`, role: "tabpanel", tabindex: "0", "aria-labelledby": `tab-${key}`, hidden: true,
    }, view.root)]));
    this.strip = el("div", { role: "tablist", "aria-label": "Beside the workspace", class: "beside-tabs", on: { keydown: (event) => this.#move(event) } },
      Object.values(this.tabs));
    root.replaceChildren(
      el("header", { class: "beside-head" }, this.strip,
        el("button", { type: "button", class: "quiet", "aria-label": "Hide this panel", on: { click: () => this.#hide() } }, "✕")),
      ...Object.values(this.panels));
    this.#wish(localStorage.getItem(CHOICE) ?? "cluster");
    // whoever shows the panel, it is drawn when it can be seen
    new ResizeObserver(() => this.raw && this.draw()).observe(root);
  }

  /** Draw what changed in the workspace; a tab that nobody sees is not drawn. */
  draw() {
    const { store } = this.tools;
    if (store.raw && store.raw !== this.raw) {
      this.raw = store.raw;
      this.views.inspector.load(store.raw);
    }
    const live = { cluster: Boolean(store.beside.cluster), inspector: true, tour: store.beside.introduction?.tour === true };
    for (const [key, tab] of Object.entries(this.tabs)) tab.hidden = !live[key];
    // what somebody wants to see is shown as soon as it is there
    this.#choose(live[this.wished] ? this.wished : Object.keys(live).find((key) => live[key]));
    byId("show-beside").hidden = false;
    if (live.tour) this.views.tour.follow();
    this.views[this.chosen].draw(this.visible);
  }

  /** Take over one entry of the feed of a kind in `KINDS`. */
  apply(kind, data) {
    this.views.inspector.apply(kind, data);
  }

  /** Show a tab, and the panel itself where it is hidden. */
  open(tab) {
    this.#wish(tab);
    if (!this.visible) byId("show-beside").click();
    this.draw();
    this.tabs[tab].focus();
  }

  /** Whether a tab is before the person's eyes. */
  shows(tab) {
    return this.chosen === tab && this.visible;
  }

  get visible() {
    return this.root.getClientRects().length > 0;
  }

  #tab(key, label) {
    return el("button", {
      type: "button", role: "tab", id: `tab-${key}`, "aria-controls": `beside-${key}`,
      on: { click: () => { this.#wish(key); this.draw(); } },
    }, label);
  }

  #wish(key) {
    this.wished = this.views[key] ? key : "cluster";
    localStorage.setItem(CHOICE, this.wished);
    this.#choose(this.wished);
  }

  #choose(key) {
    if (key === this.chosen) return;
    this.chosen = key;
    for (const [one, tab] of Object.entries(this.tabs)) {
      const chosen = one === this.chosen;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      this.panels[one].hidden = !chosen;
    }
  }

  /** Arrow keys walk the tabs, as everywhere. */
  #move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const open = Object.keys(this.tabs).filter((key) => !this.tabs[key].hidden);
    this.#wish(open[(open.indexOf(this.chosen) + step + open.length) % open.length]);
    this.draw();
    this.tabs[this.chosen].focus();
  }

  #hide() {
    byId("show-beside").click();
    byId("show-beside").focus();
  }
}
