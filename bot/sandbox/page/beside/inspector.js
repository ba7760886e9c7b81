// Every call and every event as it happens, what validation said, and how much of a budget is used.
import { arrange, count, el, toast } from "../dom.js";
import { Misbehaviour } from "./misbehaviour.js";

const KEPT = 500;
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
/** Breaches named after a method stand at that method's call. */
const OF_A_CALL = /^[a-z]+(\.[A-Za-z]+)+$/;

/** One line of the list, and what it holds once it is opened. */
class Row {
  constructor(entry) {
    this.state = el("span", { class: "call-state" });
    this.time = el("span", { class: "faint call-ms" });
    this.body = el("div", { class: "call-body" });
    this.title = el("strong", { class: "call-name" });
    this.details = el("details", { class: "call", on: { toggle: () => this.#opened() } },
      el("summary", {},
        el("span", { class: "faint call-at", title: new Date(entry.at * 1000).toISOString() }, CLOCK.format(new Date(entry.at * 1000))),
        el("span", { class: "call-way", title: entry.way === "call" ? "from the app to Slack" : "from Slack to the app" },
          el("span", { "aria-hidden": "true" }, { call: "→", envelope: "←", violation: "!" }[entry.way]),
          el("span", { class: "hidden" }, { call: "app to Slack", envelope: "Slack to app", violation: "breach" }[entry.way])),
        this.title, this.state, this.time),
      this.body);
    this.node = el("li", {}, this.details);
    this.update(entry);
  }

  update(entry) {
    this.entry = entry;
    this.whole = null;
    this.text = null;
    this.details.classList.toggle("bad", isTrouble(entry));
    this.title.textContent = nameOf(entry);
    this.state.textContent = stateOf(entry);
    this.state.title = stateOf(entry);
    const seconds = entry.way === "call" ? entry.seconds : entry.ack_seconds;
    this.time.textContent = typeof seconds === "number" ? `${Math.round(seconds * 1000)} ms` : "";
    if (this.details.open) this.#opened();
  }

  /** Whether it has this text in its name or in what it carries. */
  has(wanted) {
    this.text ??= `${nameOf(this.entry)} ${stateOf(this.entry)} ${JSON.stringify(this.entry)}`.toLowerCase();
    return this.text.includes(wanted);
  }

  async #opened() {
    if (!this.details.open || this.whole) return;
    const entry = this.entry;
    let whole;
    try {
      whole = await wholeOf(entry);
    } catch (problem) {
      this.body.replaceChildren(el("p", { class: "complaint" }, problem.message));
      return;
    }
    if (entry !== this.entry) return;
    this.whole = whole;
    this.body.replaceChildren(...drawWhole(entry, whole));
  }
}

/** The entry with everything it carried: long ones came without. */
async function wholeOf(entry) {
  const cut = [entry.args, entry.payload, entry.response].some((part) => part?.["…"] === true);
  if (!cut) return entry;
  const path = entry.way === "call" ? `call/${entry.n}` : `envelope/${encodeURIComponent(entry.id)}`;
  const response = await fetch(`/control/${path}`);
  if (!response.ok) throw new Error("The workspace no longer keeps this one.");
  return response.json();
}

function drawWhole(entry, whole) {
  const parts = entry.way === "call"
    ? [["What the app sent", whole.args], ["What Slack answered", whole.response]]
    : entry.way === "envelope" ? [["What Slack sent", whole.payload], ["What the app answered", whole.response]] : [];
  const facts = [
    entry.attempt > 0 && `attempt ${entry.attempt + 1}`,
    entry.socket && `socket ${entry.socket}`,
    entry.status && `HTTP ${entry.status}`,
    entry.budget && `budget: ${Math.floor(entry.budget.left)} of ${entry.budget.per_minute} calls left this minute (tier ${entry.budget.tier})`,
  ].filter(Boolean);
  return [
    el("ul", { class: "breaches" }, breachesOf(entry).map((breach) => el("li", {}, el("code", {}, breach.code), ` ${breach.detail}`))),
    el("p", { class: "faint" }, facts.join(" · ")),
    ...parts.filter(([, value]) => value !== null && value !== undefined).flatMap(([title, value]) => [
      el("h5", {}, title), el("pre", { tabindex: "0" }, JSON.stringify(value, null, 2))]),
    el("button", { type: "button", on: { click: () => copy(whole) } }, "Copy as JSON"),
  ];
}

async function copy(thing) {
  try {
    await navigator.clipboard.writeText(JSON.stringify(thing, null, 2));
    toast("Copied.");
  } catch {
    toast("The browser does not let this page copy.");
  }
}

const breachesOf = (entry) => (entry.way === "violation" ? [entry] : entry.breaches ?? []);
const nameOf = (entry) => ({ call: entry.method, envelope: entry.event ?? entry.type, violation: entry.where })[entry.way];
const isTrouble = (entry) => breachesOf(entry).length > 0 || (entry.way === "call" ? !entry.ok : ["timeout", "no_socket"].includes(entry.outcome));

function stateOf(entry) {
  const breaches = breachesOf(entry).length;
  const said = breaches ? `${count(breaches, "breach", "breaches")} · ` : "";
  if (entry.way === "call") return said + (entry.ok ? "ok" : entry.error ?? `HTTP ${entry.status}`);
  if (entry.way === "envelope") return { acked: "ok", waiting: "…", timeout: "not acknowledged", no_socket: "nobody connected" }[entry.outcome] ?? entry.outcome;
  return entry.code;
}

/** The Inspector tab. */
export class Inspector {
  constructor(tools) {
    this.tools = tools;
    this.rows = new Map();
    this.budgets = new Map();
    this.paused = false;
    this.missed = 0;
    this.arrived = 0;
    this.known = "";
    this.changes = 0;
    this.misbehaviour = new Misbehaviour(tools);
    this.list = el("ol", { class: "calls", "aria-label": "Calls and events, newest first" });
    this.note = el("p", { class: "faint", role: "status" });
    this.bars = el("ul", { class: "bars" });
    this.sockets = el("p", { class: "link" });
    this.text = el("input", { type: "search", placeholder: "Filter", "aria-label": "Filter by text", on: { input: () => this.draw(true) } });
    this.kind = el("select", { "aria-label": "Which kind", on: { change: () => this.draw(true) } },
      [["", "Everything"], ["call", "Calls to Slack"], ["envelope", "Events to the app"], ["trouble", "Trouble only"]]
        .map(([value, label]) => el("option", { value }, label)));
    this.pause = el("button", { type: "button", on: { click: () => this.#pause() } }, "Pause");
    this.root = el("div", { class: "inspector" },
      this.sockets, this.misbehaviour.root,
      el("details", { class: "more", on: { toggle: () => this.#drawBudgets() } }, el("summary", {}, "Rate budgets used"), this.bars),
      el("div", { class: "calls-head" }, this.text, this.kind, this.pause,
        el("button", { type: "button", on: { click: () => this.#clear() } }, "Clear")),
      this.note, this.list);
  }

  /** Take over a whole snapshot. */
  load(raw) {
    this.changes += 1;
    this.rows.clear();
    this.budgets = new Map(Object.entries(raw.budgets ?? {}));
    this.misbehaviour.load(raw.switches ?? []);
    const all = [
      ...(raw.calls ?? []).map((data) => ["call", data]),
      ...(raw.envelopes ?? []).map((data) => ["envelope", data]),
    ].sort((a, b) => a[1].at - b[1].at);
    for (const [way, data] of all) this.#take(way, data);
  }

  /** Take over one entry of the feed. */
  apply(kind, data) {
    if (kind === "switches") {
      this.misbehaviour.load(data.switches);
    } else if (kind !== "violation") {
      if (kind === "call" && data.budget) this.budgets.set(data.method, { ...data.budget, at: data.at });
      this.#take(kind, data);
    } else if (!OF_A_CALL.test(data.where)) {
      this.arrived += 1;
      this.#take(kind, { ...data, at: Date.now() / 1000, id: this.arrived });
    }
  }

  /** Draw if somebody looks. */
  draw(visible) {
    if (!visible) return;
    this.#drawSockets();
    this.misbehaviour.draw();
    this.#drawBudgets();
    if (this.paused) {
      this.note.textContent = `Paused; ${this.missed} since.`;
      return;
    }
    const wanted = this.text.value.trim().toLowerCase();
    const known = JSON.stringify([this.changes, wanted, this.kind.value]);
    if (known === this.known) return;
    this.known = known;
    const shown = [...this.rows.values()].filter((row) => this.#fits(row, wanted)).reverse();
    this.note.textContent = shown.length === this.rows.size ? count(shown.length, "entry", "entries")
      : `${shown.length} of ${this.rows.size} entries`;
    arrange(this.list, shown.map((row) => row.node));
  }

  #fits(row, wanted) {
    const kind = this.kind.value;
    if (kind === "trouble" ? !isTrouble(row.entry) : kind && kind !== row.entry.way) return false;
    return !wanted || row.has(wanted);
  }

  #take(way, data) {
    this.changes += 1;
    const entry = { ...data, way };
    // a retry may carry the id of the first delivery
    const key = way === "call" ? `c${data.n}` : `${way} ${data.id} ${data.attempt ?? 0}`;
    const had = this.rows.get(key);
    if (had) {
      had.update(entry);
      return;
    }
    this.rows.set(key, new Row(entry));
    if (this.rows.size > KEPT) this.rows.delete(this.rows.keys().next().value);
    if (this.paused) this.missed += 1;
  }

  #pause() {
    this.paused = !this.paused;
    this.known = "";
    this.missed = 0;
    this.pause.textContent = this.paused ? "Go on" : "Pause";
    this.draw(true);
  }

  #clear() {
    this.rows.clear();
    this.changes += 1;
    this.missed = 0;
    this.list.replaceChildren();
    this.draw(true);
  }

  #drawSockets() {
    const { sockets } = this.tools.store;
    this.sockets.className = `link ${sockets.length ? "up" : "down"}`;
    this.sockets.textContent = sockets.length
      ? `${count(sockets.length, "socket", "sockets")} open: ${sockets.join(", ")}` : "no socket open";
  }

  /** A budget refills with time: what was used a minute ago is free again. */
  #drawBudgets() {
    if (!this.bars.parentNode.open) return;
    const now = Date.now() / 1000;
    const used = [...this.budgets].map(([method, { left, per_minute, tier, at }]) => {
      const free = Math.min(per_minute, left + (Math.max(0, now - at) * per_minute) / 60);
      return { method, tier, per_minute, used: Math.max(0, Math.round(per_minute - free)) };
    }).sort((a, b) => b.used / b.per_minute - a.used / a.per_minute || a.method.localeCompare(b.method));
    const known = JSON.stringify(used);
    if (this.bars.dataset.drawn === known) return;
    this.bars.dataset.drawn = known;
    this.bars.replaceChildren(...used.map((one) => el("li", {},
      el("span", { class: "call-name" }, one.method),
      el("meter", { "aria-label": `Budget of ${one.method}`, min: 0, max: one.per_minute, value: one.used, low: one.per_minute * 0.5, high: one.per_minute * 0.8, optimum: 0 }),
      el("span", { class: "faint" }, `${one.used} of ${one.per_minute} a minute, ${one.tier > 4 ? "special tier" : `tier ${one.tier}`}`))));
    if (!used.length) this.bars.replaceChildren(el("li", { class: "faint" }, "No call has been counted yet."));
  }
}
