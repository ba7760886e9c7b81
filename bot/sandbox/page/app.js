// The page: who one is, where one looks, and the workspace's feed that keeps it all true.
import { Acts } from "./acts.js";
import { Beside, KINDS as BESIDE_KINDS } from "./beside/beside.js";
import { Composer } from "./composer.js";
import { ask, askWhich, Modal, openFile } from "./dialogs.js";
import { byId } from "./dom.js";
import { Drawing } from "./drawing.js";
import { Feed } from "./feed.js";
import { Home } from "./home.js";
import * as keys from "./keys.js";
import { Log } from "./messages.js";
import { Reading } from "./reading.js";
import { deed, Store } from "./store.js";

const store = new Store();
const here = { me: "", channel: "", thread: "", tab: "messages" };
const dismissed = new Set();
/** The ts of what this person posted last here: its first reply opens the thread. */
let awaited = "";

// --- what the other modules ask -----------------------------------------------------------------

const world = {
  me: () => here.me,
  userName: (id) => store.users.get(id)?.name ?? id,
  groupName: (id) => store.groups.get(id)?.handle ?? id,
  inGroup: (id) => store.groups.get(id)?.users?.includes(here.me) ?? false,
  channelName: (id) => store.channels.get(id)?.label,
  people: () => [...store.users.values()].filter((user) => !user.deleted),
  places: () => store.channelsOf(here.me),
  openChannel: (id) => go({ channel: id, thread: "" }),
  insideLink(url) {
    const found = /\/archives\/(\w+)\/p(\d+)(\d{6})$/.exec(new URL(url).pathname);
    if (!found || new URL(url).host !== location.host) return null;
    const open = (event) => {
      event.preventDefault();
      openMessage(found[1], `${found[2]}.${found[3]}`);
    };
    return { href: new URL(url).pathname, open };
  },
  author(message) {
    const user = store.users.get(message.user);
    const name = user?.name ?? message.user ?? "someone";
    const hue = [...name].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 6;
    return { name, hue, initial: name[0]?.toUpperCase() ?? "?", app: Boolean(message.bot_id), word: kindOf(user) };
  },
};

/** What Slack says beside a name. */
function kindOf(user) {
  if (user?.is_stranger) return "external";
  return user?.is_restricted ? "guest" : "";
}

/** The channel shown; nothing for a direct conversation that nobody has begun. */
const currentChannel = () => (here.channel === "app" ? store.directOf(here.me) : store.channels.get(here.channel));

const reading = new Reading(store, here, currentChannel);
const acts = new Acts({ store, here, world, current: currentChannel, go, posted });
const perform = acts.perform.bind(acts);

const elementOf = (block, part, value) => ({
  block_id: block.block_id,
  action_id: part.action_id,
  ...(value === undefined ? {} : { value }),
});

const deeds = {
  click: (channel, message, block, part, value) =>
    perform("click", { channel: channel.id, ts: message.ts, ...elementOf(block, part, value) }),
  clickView: (view, block, part, value) => perform("click", { view_id: view.id, ...elementOf(block, part, value) }),
  async submit(view, values) {
    const answer = await deed("submit", { user: here.me, view_id: view.id, values });
    if (!answer.acked) throw new Error("We had some trouble connecting. Try again?");
  },
  suggest: async (place, part, typed) => (await perform("suggest", { ...place, action_id: part.action_id, typed }))?.options ?? [],
  menu: acts.menu.bind(acts),
  close: (view) => deed("close", { user: here.me, view_id: view.id }),
  react: (channel, message, name, remove) => perform("react", { channel: channel.id, ts: message.ts, name, remove }),
  confirm: ask,
  openFile,
  openThread: (ts) => go({ thread: ts }),
  dismiss(message) {
    dismissed.add(message.ts);
    draw();
  },
  isNew: reading.isNew.bind(reading),
};

const logs = {
  channel: new Log(byId("channel-log"), world, deeds),
  thread: new Log(byId("thread-log"), world, deeds),
};
const modal = new Modal(world, deeds);
const beside = new Beside(byId("beside"), { store, deed, world, go });
const home = new Home(byId("home"), world, deeds);
const composer = (name, thread, commands) =>
  new Composer(byId(`${name}-composer`), (text, files) => acts.write(text, files, thread()), acts.offers(commands), () => acts.editLast(thread()));
const composers = {
  channel: composer("channel", () => "", true),
  thread: composer("thread", () => here.thread, false),
};
const drawing = new Drawing({ store, here, reading, logs, composers, home, world, dismissed, people, current: currentChannel, go, showPanel });

// --- where one is -------------------------------------------------------------------------------

function people() {
  const introduced = store.beside.introduction?.people;
  if (introduced) return introduced;
  return [...store.users.values()].filter((user) => !user.is_bot && !user.deleted).map((user) => ({ user: user.id, word: kindOf(user) }));
}

/** Go somewhere, or become somebody; the address remembers it. */
function go(change) {
  const { fill, ...moved } = change;
  Object.assign(here, moved);
  if ("channel" in change) showPanel("channel");
  if (change.thread) showPanel("thread");
  settle();
  const place = new URLSearchParams({ as: world.userName(here.me), in: here.channel, ...(here.thread ? { thread: here.thread } : {}) });
  history.replaceState(null, "", `/#${place}`);
  draw();
  if (fill) composers.channel.fill(fill);
  else if (change.thread) beginWriting(composers.thread);
  else if ("channel" in change) beginWriting(composers.channel);
}

/** Put the cursor there, unless that would raise a phone's keyboard. */
function beginWriting(composer) {
  if (matchMedia("(hover: hover)").matches) composer.focus();
}

/** Mend what is not possible: a channel one is not in, a thread that is gone. */
function settle() {
  const everyone = people();
  if (!everyone.some((one) => one.user === here.me)) here.me = everyone[0]?.user ?? "";
  const channels = store.channelsOf(here.me);
  if (here.channel !== "app" && !channels.some((channel) => channel.id === here.channel)) {
    here.channel = (channels.find((channel) => channel.label === "ops") ?? channels[0])?.id ?? "app";
    here.thread = "";
  }
  if (here.thread && !currentChannel()?.messages.has(here.thread)) here.thread = "";
}

function openMessage(channelId, ts) {
  const message = store.channels.get(channelId)?.messages.get(ts);
  const direct = store.channels.get(channelId)?.is_im;
  go({ channel: direct ? "app" : channelId, thread: message?.thread_ts ?? "" });
  document.querySelector(`[data-ts="${CSS.escape(ts)}"]`)?.focus();
}

function showPanel(name) {
  document.body.dataset.panel = name;
}

function begin() {
  const place = new URLSearchParams(location.hash.slice(1));
  here.me = [...store.users.values()].find((user) => user.name === place.get("as"))?.id ?? "";
  here.channel = place.get("in") ?? "";
  here.thread = place.get("thread") ?? "";
  const link = /^\/archives\/(\w+)\/p(\d+)(\d{6})$/.exec(location.pathname);
  settle();
  if (link) openMessage(link[1], `${link[2]}.${link[3]}`);
  else go({ channel: here.channel, thread: here.thread });
}

// --- drawing ------------------------------------------------------------------------------------

let waiting = false;

/** Draw soon: many changes in one frame are one drawing. */
function drawSoon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

function draw() {
  settle();
  reading.arrive();
  reading.mark();
  drawing.draw();
  modal.show(store.topModal(here.me));
  beside.draw();
}

// --- the feed -----------------------------------------------------------------------------------

const feed = new Feed(store, BESIDE_KINDS, {
  me: () => here.me,
  loaded: (first) => (first ? begin() : draw()),
  heard(kind, data) {
    if (BESIDE_KINDS.includes(kind)) beside.apply(kind, data);
    if (kind === "message") openAwaited(data);
    drawSoon();
  },
});

/** A message was posted in a channel: its first reply opens its thread. */
function posted(ts) {
  awaited = ts;
  // an answer may have been faster than the word that the message was posted
  const channel = currentChannel();
  for (const message of channel?.replies.get(ts) ?? []) openAwaited({ channel: channel.id, message });
}

/** The app's first reply to what one has just asked opens the thread, where there is room. */
function openAwaited({ channel, message }) {
  if (!awaited || message.thread_ts !== awaited || !message.bot_id || channel !== currentChannel()?.id) return;
  // not under the hands of who is writing, here or in the thread that is open
  const field = document.activeElement?.tagName === "TEXTAREA" ? document.activeElement.value : "";
  const busy = field.trim() && field !== composers.channel.opening;
  if (!busy && matchMedia("(min-width: 60rem)").matches) go({ thread: awaited });
  awaited = "";
}

// --- buttons of the page itself -----------------------------------------------------------------

const narrow = matchMedia("(max-width: 47.99rem)");

function toggleBeside() {
  if (narrow.matches) {
    document.body.classList.remove("no-beside");
    showPanel(document.body.dataset.panel === "beside" ? "channel" : "beside");
  } else {
    const hide = !document.body.classList.contains("no-beside");
    document.body.classList.toggle("no-beside", hide);
    localStorage.setItem("beside", hide ? "hidden" : "shown");
  }
  draw();
}

byId("persona").addEventListener("change", (event) => {
  if (document.body.dataset.panel === "list") showPanel("channel");
  awaited = ""; // what somebody else asked opens nothing under this one's hands
  go({ me: event.target.value });
});
byId("show-list").addEventListener("click", () => showPanel(document.body.dataset.panel === "list" ? "channel" : "list"));
byId("show-beside").addEventListener("click", toggleBeside);
byId("show-keys").addEventListener("click", () => keys.explain());
byId("show-about").addEventListener("click", ({ currentTarget }) =>
  currentTarget.setAttribute("aria-expanded", String(currentTarget.getAttribute("aria-expanded") === "false")));
for (const tab of ["home", "messages"]) {
  byId(`tab-${tab}`).addEventListener("click", () => {
    here.tab = tab;
    perform("open-home", { tab });
    draw();
  });
}
keys.listen({
  async jump() {
    const channels = store.channelsOf(here.me).map((channel) => [channel.id, `#${channel.label}`]);
    const chosen = await askWhich("Jump to", [...channels, ["app", store.raw.app.name]]);
    if (chosen) go({ channel: chosen, thread: "" });
  },
  openThread: (ts) => go({ thread: ts }),
  menu: (node) => node.querySelector(".message-menu")?.click(),
});
byId("close-thread").addEventListener("click", () => {
  go({ thread: "" });
  composers.channel.focus();
});
byId("thread").addEventListener("keydown", (event) => {
  if (event.key === "Escape") byId("close-thread").click();
});
document.addEventListener("visibilitychange", drawSoon);
document.body.classList.toggle("no-beside", localStorage.getItem("beside") === "hidden");

feed.start();
