// The page's fixed parts: header, list of channels, the channel and the thread that are shown.
import { byId, el } from "./dom.js";

const inOrder = (messages) => messages.sort((a, b) => (a.ts < b.ts ? -1 : 1));

/**
 * Draws what the store holds as one person sees it. `tools` are `store`, `here`, `reading`, `logs`,
 * `composers`, `home`, `world`, `dismissed`, `people()`, `current()`, `go(change)` and
 * `showPanel(name)`.
 */
export class Drawing {
  constructor(tools) {
    Object.assign(this, tools);
    this.listed = "";
    /** Whether the app was here at all: before that it is starting, afterwards it is gone. */
    this.joined = false;
  }

  draw() {
    this.#header();
    this.#list();
    this.#channel();
    this.#thread();
  }

  #header() {
    const { store, here, world } = this;
    const said = store.beside.introduction;
    byId("title").textContent = said?.title ?? `${store.raw.team.name}: a local workspace`;
    byId("about").textContent = said?.about ?? "";
    document.title = said?.title ?? "Local workspace";
    const select = byId("persona");
    const options = this.people().map(({ user, word }) => [user, word ? `${world.userName(user)} (${word})` : world.userName(user)]);
    if (select.dataset.drawn !== JSON.stringify(options)) {
      select.dataset.drawn = JSON.stringify(options);
      select.replaceChildren(...options.map(([value, label]) => el("option", { value }, label)));
    }
    select.value = here.me;
    const real = said?.context ?? "";
    byId("context").hidden = !real;
    byId("context").textContent = real && `${real}: ${said.writable ? "changes allowed" : "reads only"}`;
    byId("beside").hidden = document.body.classList.contains("no-beside");
    byId("show-beside").setAttribute("aria-expanded", String(!byId("beside").hidden));
  }

  #list() {
    const { store, here, reading } = this;
    const direct = store.directOf(here.me);
    const channels = store.channelsOf(here.me);
    const calls = new Map([...channels, direct].filter((channel) => channel && reading.isUnread(channel))
      .map((channel) => [channel.id, reading.callsIn(channel)]));
    const known = JSON.stringify([here.me, here.channel, channels.map((channel) => [channel.label, channel.is_ext_shared]), [...calls], store.sockets.length, store.refused]);
    // What did not change stays, or a click that has begun on it would be lost.
    if (known === this.listed) return;
    this.listed = known;
    const item = (id, sign, label, channel) => {
      const unread = channel && id !== here.channel && calls.has(channel.id);
      const many = unread ? calls.get(channel.id) : 0;
      return el("li", {}, el("button", {
        type: "button",
        class: unread ? "unread" : "",
        "aria-current": id === here.channel ? "page" : null,
        on: { click: () => this.go({ channel: id, thread: "" }) },
      }, el("span", { "aria-hidden": "true" }, sign), ` ${label}`,
        ...(channel?.is_ext_shared ? [" ", el("span", { class: "badge" }, "shared")] : []),
        many > 0 && el("span", { class: "for-you", "aria-label": `${many} for you` }, String(many)),
        unread && !many && el("span", { class: "dot" }, el("span", { class: "hidden" }, "unread"))));
    };
    const focused = document.activeElement?.closest("#list li");
    const index = focused ? [...byId("list").querySelectorAll("li")].indexOf(focused) : -1;
    const connected = store.sockets.length > 0;
    this.joined ||= connected;
    const app = store.raw.app.name;
    const [state, said] = connected
      ? store.refused ? ["down", "is connected, but its token is refused"] : ["up", "is connected"]
      : this.joined ? ["down", "is not connected"] : ["starting", "is starting …"];
    byId("list").replaceChildren(
      el("h2", {}, "Channels"),
      el("ul", {}, channels.map((channel) =>
        item(channel.id, channel.is_private ? "◇" : "#", channel.label, channel))),
      el("h2", {}, "Direct messages"),
      el("ul", {}, item("app", "●", app, direct)),
      el("p", { class: `link ${state}` }, `${app} ${said}`));
    if (index >= 0) byId("list").querySelectorAll("li button")[index]?.focus();
  }

  #channel() {
    const { store, here } = this;
    const channel = this.current();
    const app = store.raw.app.name;
    const direct = here.channel === "app";
    byId("channel-title").textContent = direct ? app : `# ${channel.label}`;
    byId("channel-note").textContent = direct ? "Direct message with the app"
      : `${channel.members.length} members${channel.is_ext_shared ? ", shared with another organisation" : ""}${channel.is_member ? "" : `, without ${app}`}`;
    const hasHome = store.raw.app.home; // as Slack: no tab for what the manifest does not enable
    const atHome = direct && hasHome && here.tab === "home";
    byId("app-tabs").hidden = !direct || !hasHome;
    for (const tab of ["home", "messages"]) byId(`tab-${tab}`).setAttribute("aria-selected", String(direct && (tab === "home") === atHome));
    byId("home").hidden = !atHome;
    byId("channel-log").hidden = byId("channel-composer").hidden = atHome;
    if (atHome) this.home.show(store.homeOf(here.me), app);
    this.logs.channel.show(`${here.me} ${here.channel}`, channel, this.#withOwn(channel?.roots ?? [], channel, ""), channel?.replies ?? new Map(), "Nothing has been said here yet.", this.reading.since.channel);
    const mention = !direct && channel.is_member ? `@${app} ` : "";
    this.composers.channel.at(`${here.me} ${here.channel}`, `Message ${direct ? app : `#${channel.label}`}`, mention);
    this.#suggestions(mention !== "" && !channel.is_ext_shared);
  }

  #suggestions(fitting) {
    const offered = this.store.beside.introduction?.suggestions ?? [];
    const root = byId("suggestions");
    root.hidden = !fitting || !offered.length;
    if (root.dataset.drawn === JSON.stringify(offered)) return;
    root.dataset.drawn = JSON.stringify(offered);
    const mention = `@${this.store.raw.app.name} `;
    root.replaceChildren(el("span", { class: "faint" }, "Try:"), ...offered.map((text) =>
      el("button", { type: "button", title: text, on: { click: () => this.composers.channel.fill(text) } }, text.replace(mention, ""))));
  }

  #thread() {
    const { store, here, logs } = this;
    byId("thread").hidden = !here.thread;
    document.body.classList.toggle("with-thread", Boolean(here.thread));
    if (!here.thread) {
      if (document.body.dataset.panel === "thread") this.showPanel("channel");
      logs.thread.place = null;
      return;
    }
    const channel = this.current();
    const messages = [channel.messages.get(here.thread), ...(channel.replies.get(here.thread) ?? [])];
    byId("thread-note").textContent = here.channel === "app" ? store.raw.app.name : `# ${channel.label}`;
    logs.thread.show(`${here.me} ${here.thread}`, channel, this.#withOwn(messages, channel, here.thread), null, "", this.reading.since.thread);
    this.composers.thread.at(`${here.me} ${here.thread}`, "Reply in the thread");
  }

  /** Messages with those that only this person sees, in the channel or under this root. */
  #withOwn(messages, channel, root) {
    const own = [...(channel?.ephemerals.values() ?? [])].filter((message) =>
      message.shown_to === this.here.me && !this.dismissed.has(message.ts) &&
      (root ? message.thread_ts === root : !message.thread_ts || message.thread_ts === message.ts));
    return own.length ? inOrder([...messages, ...own]) : messages;
  }
}
