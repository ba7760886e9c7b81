// What the workspace holds, kept up to date by its feed, and how to act in it.

/** The workspace's state as the page has it; every change replaces the object that changed. */
export class Store {
  constructor() {
    this.raw = null;
    this.users = new Map();
    this.groups = new Map();
    this.channels = new Map();
    this.views = new Map();
    this.modals = new Map();
    this.sockets = [];
    this.switches = [];
    this.beside = {};
    this.seq = 0;
  }

  /** Take over a whole snapshot. */
  load(raw) {
    this.raw = raw;
    this.seq = raw.seq;
    this.users = new Map(raw.users.map((user) => [user.id, user]));
    this.groups = new Map(raw.groups.map((group) => [group.id, group]));
    this.channels = new Map(raw.channels.map((channel) => [channel.id, withMessages(channel)]));
    this.views = new Map(raw.views.map((entry) => [entry.view.id, entry]));
    this.modals = new Map(Object.entries(raw.modals));
    this.sockets = raw.sockets;
    this.switches = raw.switches ?? [];
    this.beside = raw.beside ?? {};
  }

  /** Take over one entry of the feed; returns a sentence for the person if there is one. */
  apply(kind, data, me) {
    switch (kind) {
      case "message":
        keep(this.channels.get(data.channel), data.message);
        break;
      case "deleted":
        forget(this.channels.get(data.channel), data.ts);
        break;
      case "ephemeral": {
        const shown = this.channels.get(data.channel)?.ephemerals;
        if (data.removed) shown?.delete(data.message.ts);
        else shown?.set(data.message.ts, { ...data.message });
        break;
      }
      case "channel": {
        const known = this.channels.get(data.id);
        this.channels.set(data.id, { ...(known ?? empty()), ...data });
        break;
      }
      case "user":
        this.users.set(data.id, data);
        break;
      case "view":
        this.views.set(data.view.id, data);
        break;
      case "modals":
        this.modals.set(data.user, data.open);
        break;
      case "sockets":
        this.sockets = data.open;
        break;
      case "switches":
        this.switches = data.switches;
        break;
      case "beside":
        this.beside = { ...this.beside, [data.key]: data.value };
        break;
      case "notice":
        return data.user === me ? noticed(data.text, this.raw.app.name) : null;
    }
    return null;
  }

  /** Whether Slack refuses the app's token, although its sockets stay open. */
  get refused() {
    return this.switches.some((one) => one.name === "revoked" && one.on);
  }

  /** The modal on top before a person, with the app's complaints about its inputs. */
  topModal(user) {
    const open = this.modals.get(user) ?? [];
    return this.views.get(open.at(-1)) ?? null;
  }

  /** A person's Home tab, once the app has published one. */
  homeOf(user) {
    return [...this.views.values()].find((entry) => entry.user === user && entry.view.type === "home") ?? null;
  }

  /** The channels a person is in, without direct conversations. */
  channelsOf(user) {
    return [...this.channels.values()].filter((channel) => !channel.is_im && channel.members.includes(user));
  }

  /** A person's direct conversation with the app, once there is one. */
  directOf(user) {
    return [...this.channels.values()].find((channel) => channel.is_im && channel.user === user);
  }
}

/** The kinds of entries that change what the page shows. */
export const KINDS = [
  "message", "deleted", "ephemeral", "channel", "user", "view", "modals", "sockets", "beside", "notice",
];

/** Do something as a person. Raises `Error` with the reason when the workspace refuses. */
export async function deed(name, wish) {
  let answer;
  try {
    const response = await fetch(`/control/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(wish),
    });
    answer = await response.json();
  } catch {
    throw new Error("The workspace cannot be reached.");
  }
  if (!answer.ok) throw new Error(answer.error);
  return answer;
}

// What a channel holds: `roots` and each thread in `replies` (by the root's ts) are always in
// order, so that one more message costs the same among ten and among thousands.
const empty = () => ({ messages: new Map(), ephemerals: new Map(), roots: [], replies: new Map() });

function withMessages(channel) {
  const held = { ...channel, ...empty() };
  for (const message of channel.messages) keep(held, message);
  for (const message of channel.ephemerals) held.ephemerals.set(message.ts, message);
  return held;
}

/** Whether a message stands in the channel itself. */
export const isRoot = (message) =>
  !message.thread_ts || message.thread_ts === message.ts || message.subtype === "thread_broadcast";

function keep(channel, message) {
  if (!channel) return;
  channel.messages.set(message.ts, message);
  if (isRoot(message)) put(channel.roots, message);
  if (!message.thread_ts || message.thread_ts === message.ts) return;
  if (!channel.replies.has(message.thread_ts)) channel.replies.set(message.thread_ts, []);
  put(channel.replies.get(message.thread_ts), message);
}

/** Almost everything comes last, so the place is looked for from the end. */
function put(list, message) {
  let at = list.length;
  while (at > 0 && list[at - 1].ts > message.ts) at -= 1;
  if (list[at - 1]?.ts === message.ts) list[at - 1] = message;
  else list.splice(at, 0, message);
}

function forget(channel, ts) {
  const message = channel?.messages.get(ts);
  if (!message) return;
  channel.messages.delete(ts);
  drop(channel.roots, ts);
  const thread = channel.replies.get(message.thread_ts);
  if (!thread) return;
  drop(thread, ts);
  if (!thread.length) channel.replies.delete(message.thread_ts);
}

function drop(list, ts) {
  const at = list.findLastIndex((message) => message.ts === ts);
  if (at >= 0) list.splice(at, 1);
}

function noticed(text, app) {
  return text === "operation_timeout" ? `${app} did not answer in time. Try again.` : text;
}
