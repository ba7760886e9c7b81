// A short tour through one incident: each step sees by itself when it is done; all of it may be ignored.
import { byId, el, toast } from "../dom.js";

const KEEP = "tour";
/** Older messages than these cannot be of the tour: looking at all of a long day would be slow. */
const LOOKED_AT = 80;
const READS = { look: /\bdiagnose\b/, log: /\blogs\b/ };

/** The Tour tab, the quiet offer at first, and the present step where the tab is not in view. */
export class Tour {
  constructor(tools) {
    this.tools = tools;
    this.texts = new WeakMap();
    this.kept = read();
    this.root = el("div", { class: "tour" });
    this.strip = el("section", { class: "tour-strip", "aria-label": "Guided tour", hidden: true });
    this.said = el("p", { class: "hidden", role: "status" });
    byId("banner").after(this.strip, this.said);
    this.drawn = "";
    this.stripped = "";
    this.busy = false;
  }

  /** See what the person has done meanwhile, and show the strip where it is needed. */
  follow() {
    if (this.kept.state === "on") this.#progress();
    this.#drawStrip();
  }

  draw() {
    const known = JSON.stringify([this.kept, this.busy, this.tools.store.beside.stories]);
    if (known === this.drawn) return;
    this.drawn = known;
    const focused = this.root.contains(document.activeElement);
    this.root.replaceChildren(...(this.kept.state === "on" ? this.#steps() : this.#start()), ...this.#others());
    if (focused) this.root.querySelector("button.primary")?.focus();
  }

  // --- where the person is --------------------------------------------------------------------

  get steps() {
    const mention = `@${this.tools.store.raw.app.name}`;
    return [
      {
        key: "look", title: "Ask what is wrong",
        says: "#ops says that checkout is broken: ask for the cause and its evidence, as anyone of the team may.",
        act: "Fill in", do: () => this.#fill("alice", `${mention} diagnose -n shop`), done: () => this.#answered(READS.look),
      },
      {
        key: "log", title: "Read the log",
        says: "See it for yourself: look for the last words of its log.",
        act: "Fill in", do: () => this.#fill("alice", `${mention} logs deployment/checkout -n shop --grep FATAL`), done: () => this.#answered(READS.log),
      },
      {
        key: "propose", title: "Propose the rollback",
        says: "A change is only proposed: a card shows exactly what would differ.",
        act: "Fill in", do: () => this.#fill("alice", `${mention} rollout undo deployment/checkout -n shop`), done: () => Boolean(this.#card("Approve")) || this.#decided(),
      },
      {
        key: "refused", title: "Alice may not approve",
        says: "Who asked may not approve: press Approve as alice and read the answer.",
        act: "Do it for me", do: () => this.#press("alice", "Approve"), done: () => this.#refused() || this.#decided(),
      },
      {
        key: "approve", title: "Switch to bob and approve",
        says: "Choose bob under “You are”, above; he may.",
        act: "Do it for me", do: () => this.#press("bob", "Approve"), done: () => this.#decided(),
      },
      {
        key: "verified", title: "Watch it being verified",
        says: "The card follows the rollout until the new pods are ready, and says whether that was true.",
        act: "Show the cluster", do: () => this.tools.open("cluster"), done: () => Boolean(this.#card("Undo")),
      },
      {
        key: "undo", title: "Undo",
        says: "Undo proposes the way back, as a card of its own: nothing happens without a second person.",
        act: "Do it for me", do: () => this.#press("bob", "Undo"), done: () => this.#messages().some((message) => this.#says(message).includes("Undo: ")),
      },
    ];
  }

  #progress() {
    const { steps } = this;
    let { step } = this.kept;
    while (step < steps.length && steps[step].done()) step += 1;
    if (step === this.kept.step) return;
    this.#keep({ step, state: step === steps.length ? "done" : "on" });
    this.said.textContent = step === steps.length ? "The tour is done." : `Step ${step + 1} of ${steps.length}: ${steps[step].title}. ${steps[step].says}`;
  }

  /** The messages since the tour began, oldest first. */
  #messages() {
    const channel = this.#ops();
    if (!channel) return [];
    return [...channel.messages.values()].slice(-LOOKED_AT).filter((message) => Number(message.ts) >= this.kept.since);
  }

  /** Everything that a message says, as text. */
  #says(message) {
    if (!this.texts.has(message)) this.texts.set(message, `${message.text ?? ""} ${JSON.stringify(message.blocks ?? [])}`);
    return this.texts.get(message);
  }

  /** Whether a question was answered in its thread. */
  #answered(question) {
    const messages = this.#messages();
    const asked = messages.filter((message) => !message.bot_id && question.test(message.text ?? "")).map((message) => message.ts);
    return messages.some((message) => message.bot_id && asked.includes(message.thread_ts));
  }

  /** The newest message that bears such a button, with the button. */
  #card(label) {
    for (const message of this.#messages().reverse()) {
      if (!message.bot_id || !this.#says(message).includes(label)) continue;
      for (const block of message.blocks ?? []) {
        const button = (block.elements ?? []).find((part) => part.type === "button" && part.text?.text === label);
        if (button) return { message, block, button };
      }
    }
    return null;
  }

  #refused() {
    const alice = this.#person("alice");
    return [...(this.#ops()?.ephemerals.values() ?? [])].some((message) => message.shown_to === alice && Number(message.ts) >= this.kept.since);
  }

  #decided() {
    return this.#messages().some((message) => message.bot_id && /approved by/i.test(this.#says(message)));
  }

  #ops() {
    return [...this.tools.store.channels.values()].find((channel) => channel.label === "ops");
  }

  #person(name) {
    return [...this.tools.store.users.values()].find((user) => user.name === name)?.id ?? "";
  }

  // --- what the buttons do --------------------------------------------------------------------

  async #begin() {
    const { cluster, stories } = this.tools.store.beside;
    const checkout = cluster?.workloads?.find((one) => one.namespace === "shop" && one.name === "checkout");
    const broken = stories?.find((story) => story.key === "bad-rollout");
    if (checkout?.settled && broken && broken.state !== "going on") {
      // somebody has mended it before: the tour needs it broken
      await this.tools.deed("story", { key: broken.key, do: "begin" }).catch((problem) => toast(problem.message));
    }
    const { now } = this.tools.store.raw;
    // the newest message is later than the snapshot's time, when the page has been open for long
    const newest = Math.max(now, ...[...(this.#ops()?.messages.keys() ?? [])].map((ts) => Number(ts) + 1e-6));
    this.#keep({ state: "on", step: 0, since: newest });
    this.tools.open("tour");
  }

  #fill(name, text) {
    this.tools.go({ me: this.#person(name), channel: this.#ops()?.id, thread: "", fill: text });
  }

  async #press(name, label) {
    const found = this.#card(label);
    if (!found) throw new Error(`There is no card with “${label}” any more: propose it again.`);
    const { message, block, button } = found;
    const me = this.#person(name);
    this.tools.go({ me, channel: this.#ops()?.id, thread: message.thread_ts ?? "" });
    await this.tools.deed("click", {
      user: me, channel: this.#ops().id, ts: message.ts, block_id: block.block_id, action_id: button.action_id,
    });
  }

  async #act(step) {
    this.busy = true;
    this.#again();
    try {
      await step.do();
    } catch (problem) {
      toast(problem.message);
    }
    this.busy = false;
    this.#again();
  }

  #keep(change) {
    this.kept = { ...this.kept, ...change };
    localStorage.setItem(KEEP, JSON.stringify(this.kept));
    this.#again();
  }

  #again() {
    if (this.tools.shows("tour")) this.draw();
    this.#drawStrip();
  }

  // --- drawing --------------------------------------------------------------------------------

  #start() {
    const done = this.kept.state === "done";
    return [
      el("h3", {}, done ? "That was the tour" : "A tour of two minutes"),
      el("p", {}, done
        ? "Seen, explained, proposed, refused, approved, verified, and a way back. In your own cluster it is the same."
        : "One broken service, from the first look to Undo, in seven steps. Do them yourself or have them done."),
      el("p", {}, el("button", { type: "button", class: done ? "" : "primary", on: { click: () => this.#begin() } }, done ? "Begin again" : "Start the tour")),
    ];
  }

  #steps() {
    const { steps } = this;
    return [
      el("h3", {}, `Step ${this.kept.step + 1} of ${steps.length}`),
      el("ol", { class: "tour-steps" }, steps.map((step, place) => {
        const state = place < this.kept.step ? "done" : place === this.kept.step ? "now" : "later";
        return el("li", { class: state, "aria-current": state === "now" ? "step" : null },
          el("strong", {}, step.title), state === "done" && el("span", { class: "tick" }, el("span", { "aria-hidden": "true" }, " ✓"), el("span", { class: "hidden" }, " done")),
          state === "now" && el("p", {}, step.says),
          state === "now" && this.#button(step));
      })),
      el("p", {}, el("button", { type: "button", class: "plain", on: { click: () => this.#keep({ state: "skipped" }) } }, "Skip the tour")),
    ];
  }

  #button(step) {
    return el("button", { type: "button", class: "primary", disabled: this.busy, on: { click: () => this.#act(step) } }, step.act);
  }

  /** The other incidents: begun here too, each with what one would ask. */
  #others() {
    const { stories } = this.tools.store.beside;
    if (!stories?.length) return [];
    return [
      el("h3", {}, "Other incidents"),
      el("ul", { class: "incidents" }, stories.map((story) => el("li", {},
        el("strong", {}, story.title), el("p", { class: "faint" }, story.symptom),
        story.state === "going on" && el("p", { class: "faint" }, story.commands.map((command) => el("button", {
          type: "button", class: "command", title: command,
          on: { click: () => this.#fill("alice", command.startsWith("@") ? command : `@${this.tools.store.raw.app.name} ${command}`) },
        }, command))),
        story.state !== "going on" && el("button", {
          type: "button", "aria-label": `Break it: ${story.title}`,
          on: { click: () => this.tools.deed("story", { key: story.key, do: "begin" }).catch((problem) => toast(problem.message)) },
        }, "Break it")))),
    ];
  }

  #drawStrip() {
    const { state, step } = this.kept;
    const offering = state === "new" && !this.tools.shows("tour");
    const guiding = state === "on" && !this.tools.shows("tour");
    const known = JSON.stringify([offering, guiding, step, this.busy]);
    if (known === this.stripped) return;
    this.stripped = known;
    const focused = this.strip.contains(document.activeElement);
    this.strip.hidden = !offering && !guiding;
    this.strip.classList.toggle("offer", offering);
    if (offering) {
      this.strip.replaceChildren(el("p", {}, "New here? Seven steps, two minutes."),
        el("button", { type: "button", on: { click: () => this.#begin() } }, "Start the tour"),
        el("button", { type: "button", class: "quiet", on: { click: () => this.#keep({ state: "skipped" }) } }, "Not now"));
    } else if (guiding) {
      const now = this.steps[step];
      this.strip.replaceChildren(
        el("p", {}, el("strong", {}, `${step + 1} of ${this.steps.length}: ${now.title}. `), now.says),
        this.#button(now),
        el("button", { type: "button", class: "quiet", on: { click: () => this.#keep({ state: "skipped" }) } }, "Skip the tour"));
    }
    if (focused) this.strip.querySelector("button")?.focus();
  }
}

function read() {
  const fresh = { state: "new", step: 0, since: 0 };
  try {
    return { ...fresh, ...JSON.parse(localStorage.getItem(KEEP) ?? "{}") };
  } catch {
    return fresh;
  }
}
