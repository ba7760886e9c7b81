// The page: who one is, where one looks, and the workspace's feed that keeps it all true.
import { Composer } from "./composer.js";
import { Beside, KINDS as BESIDE_KINDS } from "./beside/beside.js";
import { ask, askText, askWhich, Modal, openFile } from "./dialogs.js";
import { byId, el, toast } from "./dom.js";
import { Home } from "./home.js";
import * as keys from "./keys.js";
import { openMenu } from "./menu.js";
import { emoji } from "./mrkdwn.js";
import { Log } from "./messages.js";
import { deed, KINDS, Store } from "./store.js";

const store = new Store();
const here = { me: "", channel: "", thread: "", tab: "messages" };
/** Up to where the place shown was read when one came to it: below that it says New. */
const since = { channel: "", thread: "", place: "", threadPlace: "" };
const seen = new Map(JSON.parse(sessionStorage.getItem("seen") ?? "[]"));
const dismissed = new Set();
/** The ts of what this person posted last here: its first reply opens the thread. */
let awaited = "";
/** Whether the app was here at all: before that it is starting, afterwards it is gone. */
let joined = false;
let source = null;

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

/** Do something as the person; what is refused is said. */
async function perform(name, wish) {
  try {
    return await deed(name, { user: here.me, ...wish });
  } catch (refusal) {
    toast(refusal.message);
    return null;
  }
}

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
  menu,
  close: (view) => deed("close", { user: here.me, view_id: view.id }),
  react: (channel, message, name, remove) => perform("react", { channel: channel.id, ts: message.ts, name, remove }),
  confirm: ask,
  openFile,
  openThread: (ts) => go({ thread: ts }),
  dismiss(message) {
    dismissed.add(message.ts);
    draw();
  },
  isNew: (channel, root, replies) =>
    replies.at(-1).user !== here.me && replies.at(-1).ts > (seen.get(`${here.me} ${channel.id} ${root}`) ?? ""),
};

const logs = {
  channel: new Log(byId("channel-log"), world, deeds),
  thread: new Log(byId("thread-log"), world, deeds),
};
const modal = new Modal(world, deeds);
const beside = new Beside(byId("beside"), { store, deed, world, go });
const home = new Home(byId("home"), world, deeds);
const composers = {
  channel: new Composer(byId("channel-composer"), (text, files) => write(text, files), offers(true), () => editLast("")),
  thread: new Composer(byId("thread-composer"), (text, files) => write(text, files, here.thread), offers(false), () => editLast(here.thread)),
};

/** What completes a word: commands only where they work. */
function offers(commands) {
  const fitting = (entries, sign, typed) => entries
    .filter(([name]) => name.toLowerCase().startsWith(typed))
    .map(([name, hint]) => [`${sign}${name} `, hint]);
  return (sign, typed) => {
    if (!store.raw) return [];
    if (sign === "/") return commands ? fitting(store.raw.app.commands.map((name) => [name.slice(1), `${store.raw.app.name}’s command`]), "/", typed) : [];
    if (sign === "#") return fitting(store.channelsOf(here.me).map((channel) => [channel.label, ""]), "#", typed);
    const groups = [...store.groups.values()].map((group) => [group.handle, group.name]);
    const people = world.people().map((user) => [user.name, user.id === store.raw.app.bot_user_id ? "app" : user.real_name]);
    return fitting([...people, ...groups, ["here", "everybody who is here"], ["channel", "everybody"]], "@", typed);
  };
}

const REACTIONS = ["eyes", "white_check_mark", "+1", "heart", "tada", "thinking_face", "warning", "x"];

/** What one may do with a message. */
function menu(opener, channel, message) {
  const mine = message.user === here.me;
  const admin = store.users.get(here.me)?.is_admin;
  const place = { channel: channel.id, ts: message.ts };
  const reacted = (name) => message.reactions?.some((one) => one.name === name && one.users.includes(here.me)) ?? false;
  const shortcuts = Object.entries(store.raw.app.shortcuts ?? {}).filter(([, kind]) => kind === "message");
  openMenu(opener, [
    ...REACTIONS.map((name) => ({ label: `${emoji(name)} ${name.replaceAll("_", " ")}`, checked: reacted(name), act: () => perform("react", { ...place, name, remove: reacted(name) }) })),
    { label: "Reply in thread", act: () => go({ thread: message.thread_ts ?? message.ts }) },
    { label: "Copy link", act: () => copyLink(channel, message) },
    mine && { label: "Edit message", act: () => edit(channel, message) },
    (mine || admin) && { label: "Delete message", danger: true, act: () => remove(channel, message) },
    ...shortcuts.map(([callback_id]) => ({ label: callback_id, act: () => perform("shortcut", { ...place, callback_id }) })),
  ], "Message actions");
}

async function copyLink(channel, message) {
  const url = `${location.origin}/archives/${channel.id}/p${message.ts.replace(".", "")}`;
  try {
    await navigator.clipboard.writeText(url);
    toast("The link is copied.");
  } catch {
    toast(url); // a browser that allows no copying
  }
}

async function edit(channel, message) {
  const text = await askText("Edit message", "Message", typedText(message));
  if (text?.trim()) await perform("edit", { channel: channel.id, ts: message.ts, text: text.trim() });
}

async function remove(channel, message) {
  const sure = await ask({ title: { text: "Delete message" }, text: { text: "It cannot be brought back." }, confirm: { text: "Delete" }, style: "danger" });
  if (sure) await perform("delete", { channel: channel.id, ts: message.ts });
}

/** A message as it was typed: mentions by name. */
const typedText = (message) => message.text
  .replace(/<@(\w+)>/g, (_, id) => `@${world.userName(id)}`)
  .replace(/<!subteam\^(\w+)[^>]*>/g, (_, id) => `@${world.groupName(id)}`)
  .replace(/<#(\w+)[^>]*>/g, (_, id) => `#${world.channelName(id) ?? id}`)
  .replace(/<(https?:[^|>]+)[^>]*>/g, "$1")
  .replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

function editLast(thread) {
  const channel = currentChannel();
  const mine = [...(channel?.messages.values() ?? [])].filter((message) => message.user === here.me &&
    (thread ? message.thread_ts === thread || message.ts === thread : isRoot(message)));
  const last = mine.sort((a, b) => (a.ts < b.ts ? -1 : 1)).at(-1);
  if (last) edit(channel, last);
  return Boolean(last);
}

async function write(text, files, thread) {
  const channel = currentChannel()?.id ?? "app";
  const [, command, rest = ""] = /^(\/\S+)\s*([^]*)$/.exec(text) ?? [];
  if (command) {
    // as Slack's own client: a thread takes no commands
    if (thread) throw new Error(`${command} is not supported in threads. Sorry!`);
    await deed("slash", { user: here.me, channel, command, text: rest });
    return;
  }
  const posted = await deed("post", { user: here.me, channel, text, files, ...(thread ? { thread_ts: thread } : {}) });
  if (thread) return;
  awaited = posted.ts;
  // an answer may have been faster than the word that the message was posted
  const replies = store.threads(currentChannel()).get(posted.ts) ?? [];
  for (const message of replies) openAwaited({ channel: currentChannel()?.id, message });
}

// --- where one is -------------------------------------------------------------------------------

/** The channel shown; nothing for a direct conversation that nobody has begun. */
const currentChannel = () => (here.channel === "app" ? store.directOf(here.me) : store.channels.get(here.channel));

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
  noteArrival();
  markSeen();
  drawHeader();
  drawList();
  drawChannel();
  drawThread();
  modal.show(store.topModal(here.me));
  beside.draw();
}

function drawHeader() {
  const said = store.beside.introduction;
  byId("title").textContent = said?.title ?? `${store.raw.team.name}: a local workspace`;
  byId("about").textContent = said?.about ?? "";
  document.title = said?.title ?? "Local workspace";
  const select = byId("persona");
  const options = people().map(({ user, word }) => [user, word ? `${world.userName(user)} (${word})` : world.userName(user)]);
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

let listed = "";

function drawList() {
  const direct = store.directOf(here.me);
  const channels = store.channelsOf(here.me);
  const unreadOnes = [...channels, direct].map((channel) => channel && isUnread(channel) && callsIn(channel) + 1);
  const known = JSON.stringify([here.me, here.channel, channels.map((channel) => [channel.label, channel.is_ext_shared]), unreadOnes, store.sockets.length]);
  // What did not change stays, or a click that has begun on it would be lost.
  if (known === listed) return;
  listed = known;
  const item = (id, sign, label, channel) => {
    const unread = channel && id !== here.channel && isUnread(channel);
    const calls = unread ? callsIn(channel) : 0;
    return el("li", {}, el("button", {
      type: "button",
      class: unread ? "unread" : "",
      "aria-current": id === here.channel ? "page" : null,
      on: { click: () => go({ channel: id, thread: "" }) },
    }, el("span", { "aria-hidden": "true" }, sign), ` ${label}`,
      channel?.is_ext_shared && el("span", { class: "badge" }, "shared"),
      calls > 0 && el("span", { class: "for-you", "aria-label": `${calls} for you` }, String(calls)),
      unread && !calls && el("span", { class: "dot" }, el("span", { class: "hidden" }, "unread"))));
  };
  const focused = document.activeElement?.closest("#list li");
  const index = focused ? [...byId("list").querySelectorAll("li")].indexOf(focused) : -1;
  const connected = store.sockets.length > 0;
  joined ||= connected;
  byId("list").replaceChildren(
    el("h2", {}, "Channels"),
    el("ul", {}, channels.map((channel) =>
      item(channel.id, channel.is_private ? "◇" : "#", channel.label, channel))),
    el("h2", {}, "Direct messages"),
    el("ul", {}, item("app", "●", store.raw.app.name, direct)),
    el("p", { class: connected ? "link up" : "link down" },
      `${store.raw.app.name} ${connected ? "is connected" : joined ? "is not connected" : "is starting …"}`));
  if (index >= 0) byId("list").querySelectorAll("li button")[index]?.focus();
}

const shownTo = (channel, root) => {
  const ephemerals = [...(channel?.ephemerals.values() ?? [])].filter(
    (message) => message.shown_to === here.me && !dismissed.has(message.ts));
  return ephemerals.filter((message) => (root ? message.thread_ts === root : !message.thread_ts || message.thread_ts === message.ts));
};
const inOrder = (messages) => messages.sort((a, b) => (a.ts < b.ts ? -1 : 1));
const isRoot = (message) => !message.thread_ts || message.thread_ts === message.ts || message.subtype === "thread_broadcast";
const roots = (channel) => [...channel.messages.values()].filter(isRoot);

function drawChannel() {
  const channel = currentChannel();
  const app = store.raw.app.name;
  const direct = here.channel === "app";
  const name = direct ? app : `# ${channel.label}`;
  byId("channel-title").textContent = name;
  byId("channel-note").textContent = direct ? "Direct message with the app"
    : `${channel.members.length} members${channel.is_ext_shared ? ", shared with another organisation" : ""}${channel.is_member ? "" : `, without ${app}`}`;
  const atHome = direct && here.tab === "home";
  byId("app-tabs").hidden = !direct;
  for (const tab of ["home", "messages"]) byId(`tab-${tab}`).setAttribute("aria-selected", String(direct && here.tab === tab));
  byId("home").hidden = !atHome;
  byId("channel-log").hidden = byId("channel-composer").hidden = atHome;
  if (atHome) home.show(store.homeOf(here.me), store.raw.app.home, app);
  const messages = channel ? inOrder([...roots(channel), ...shownTo(channel, "")]) : [];
  logs.channel.show(`${here.me} ${here.channel}`, channel, messages, channel ? store.threads(channel) : new Map(), "Nothing has been said here yet.", since.channel);
  const mention = !direct && channel.is_member ? `@${app} ` : "";
  composers.channel.at(`${here.me} ${here.channel}`, `Message ${direct ? app : `#${channel.label}`}`, mention);
  drawSuggestions(mention !== "" && !channel.is_ext_shared);
}

function drawSuggestions(fitting) {
  const offered = store.beside.introduction?.suggestions ?? [];
  const root = byId("suggestions");
  root.hidden = !fitting || !offered.length;
  if (root.dataset.drawn === JSON.stringify(offered)) return;
  root.dataset.drawn = JSON.stringify(offered);
  const mention = `@${store.raw.app.name} `;
  root.replaceChildren(el("span", { class: "faint" }, "Try:"), ...offered.map((text) =>
    el("button", { type: "button", title: text, on: { click: () => composers.channel.fill(text) } }, text.replace(mention, ""))));
}

function drawThread() {
  const panel = byId("thread");
  panel.hidden = !here.thread;
  document.body.classList.toggle("with-thread", Boolean(here.thread));
  if (!here.thread) {
    if (document.body.dataset.panel === "thread") showPanel("channel");
    logs.thread.place = null;
    return;
  }
  const channel = currentChannel();
  const messages = [...channel.messages.values()].filter((message) => message.ts === here.thread || message.thread_ts === here.thread);
  byId("thread-note").textContent = here.channel === "app" ? store.raw.app.name : `# ${channel.label}`;
  logs.thread.show(`${here.me} ${here.thread}`, channel, inOrder([...messages, ...shownTo(channel, here.thread)]), null, "", since.thread);
  composers.thread.at(`${here.me} ${here.thread}`, "Reply in the thread");
}

// --- read and unread ----------------------------------------------------------------------------

/** How many unread messages of a channel call this person, by name, by group, or directly. */
function callsIn(channel) {
  const from = seen.get(`${here.me} ${channel.id}`) ?? "";
  const groups = [...store.groups.values()].filter((group) => group.users?.includes(here.me));
  const names = [`<@${here.me}>`, ...groups.map((group) => `<!subteam^${group.id}`), "<!here>", "<!channel>"];
  return roots(channel).filter((message) => message.ts > from && message.user !== here.me &&
    (channel.is_im || names.some((name) => JSON.stringify(message).includes(name)))).length;
}

/** Remember what was read already when one comes to a place. */
function noteArrival() {
  const channel = currentChannel();
  const place = channel ? `${here.me} ${channel.id}` : "";
  if (since.place !== place) Object.assign(since, { place, channel: seen.get(place) ?? "" });
  const threadPlace = here.thread ? `${place} ${here.thread}` : "";
  if (since.threadPlace !== threadPlace) Object.assign(since, { threadPlace, thread: seen.get(threadPlace) ?? "" });
}

const newest = (messages) => messages.reduce((last, message) => (message.ts > last ? message.ts : last), "");

function isUnread(channel) {
  const since = seen.get(`${here.me} ${channel.id}`) ?? "";
  return roots(channel).some((message) => message.ts > since && message.user !== here.me);
}

function markSeen() {
  const channel = currentChannel();
  if (!channel || document.hidden) return;
  seen.set(`${here.me} ${channel.id}`, newest(roots(channel)));
  if (here.thread) seen.set(`${here.me} ${channel.id} ${here.thread}`, newest(store.threads(channel).get(here.thread) ?? []));
  sessionStorage.setItem("seen", JSON.stringify([...seen]));
}

// --- the feed -----------------------------------------------------------------------------------

function banner(text) {
  byId("banner").textContent = text;
  byId("banner").hidden = !text;
}

async function start() {
  source?.close();
  let response;
  try {
    response = await fetch("/control/state");
  } catch {
    banner("The workspace does not answer. Is it still running? Trying again …");
    setTimeout(start, 1500);
    return;
  }
  if (!response.ok) {
    banner("This page belongs to a workspace that is gone: open the address that the terminal printed.");
    return;
  }
  const first = !store.raw;
  store.load(await response.json());
  banner("");
  if (first) begin();
  else draw();
  follow();
}

function follow() {
  source = new EventSource(`/control/events?since=${store.seq}`);
  source.addEventListener("open", () => banner(""));
  source.addEventListener("error", () => {
    banner("The connection to the workspace is lost. Trying again …");
    if (source.readyState === EventSource.CLOSED) setTimeout(start, 1500);
  });
  source.addEventListener("reset", start);
  for (const kind of [...KINDS, ...BESIDE_KINDS]) {
    source.addEventListener(kind, (event) => {
      const data = JSON.parse(event.data);
      if (BESIDE_KINDS.includes(kind)) beside.apply(kind, data);
      const notice = store.apply(kind, data, here.me);
      if (notice) toast(notice);
      if (kind === "message") openAwaited(data);
      drawSoon();
    });
  }
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
  go({ me: event.target.value });
});
byId("show-list").addEventListener("click", () => showPanel(document.body.dataset.panel === "list" ? "channel" : "list"));
byId("show-beside").addEventListener("click", toggleBeside);
byId("show-keys").addEventListener("click", () => keys.explain());
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

start();
