// Read and unread: what a person has seen, where "New" begins, and what calls for her.
import { isRoot } from "./store.js";

const newest = (messages) => messages?.at(-1)?.ts ?? "";

/** What each person has read in this tab. `here` is who one is and where one looks. */
export class Reading {
  constructor(store, here, current) {
    this.store = store;
    this.here = here;
    this.current = current;
    this.seen = new Map(JSON.parse(sessionStorage.getItem("seen") ?? "[]"));
    /** Up to where the place shown was read when one came to it: below that it says New. */
    this.since = { channel: "", thread: "", place: "", threadPlace: "" };
  }

  /** Remember what was read already when one comes to a place. */
  arrive() {
    const { since, seen } = this;
    const channel = this.current();
    const place = channel ? this.#key(channel) : "";
    if (since.place !== place) Object.assign(since, { place, channel: seen.get(place) ?? "" });
    const threadPlace = this.here.thread && channel ? this.#key(channel, this.here.thread) : "";
    if (since.threadPlace !== threadPlace) Object.assign(since, { threadPlace, thread: seen.get(threadPlace) ?? "" });
  }

  /** What is before a person's eyes is read. */
  mark() {
    const channel = this.current();
    if (!channel || document.hidden) return;
    const changed = this.#mark(this.#key(channel), newest(channel.roots));
    const inThread = this.here.thread && this.#mark(this.#key(channel, this.here.thread), newest(channel.replies.get(this.here.thread)));
    if (changed || inThread) sessionStorage.setItem("seen", JSON.stringify([...this.seen]));
  }

  /** Whether somebody else wrote since. */
  isUnread(channel) {
    return this.#unread(channel).next().done === false;
  }

  /** How many unread messages of a channel call this person, by name, by group, or directly. */
  callsIn(channel) {
    const { me } = this.here;
    const groups = [...this.store.groups.values()].filter((group) => group.users?.includes(me));
    const names = [`<@${me}>`, ...groups.map((group) => `<!subteam^${group.id}`), "<!here>", "<!channel>"];
    const calls = (message) => channel.is_im || names.some((name) => JSON.stringify(message).includes(name));
    return [...this.#unread(channel)].filter(calls).length;
  }

  /** Whether a thread has a reply that this person has not seen. */
  isNew(channel, root, replies) {
    const last = replies.at(-1);
    return last.user !== this.here.me && last.ts > (this.seen.get(this.#key(channel, root)) ?? "");
  }

  /** The unread messages of others, newest first: what was read is not walked. */
  *#unread(channel) {
    const from = this.seen.get(this.#key(channel)) ?? "";
    for (let at = channel.roots.length - 1; at >= 0 && channel.roots[at].ts > from; at -= 1) {
      if (channel.roots[at].user !== this.here.me) yield channel.roots[at];
    }
  }

  #mark(key, ts) {
    if ((this.seen.get(key) ?? "") === ts) return false;
    this.seen.set(key, ts);
    return true;
  }

  #key(channel, thread) {
    return thread ? `${this.here.me} ${channel.id} ${thread}` : `${this.here.me} ${channel.id}`;
  }
}

/** A person's newest message in a channel, or in one of its threads. */
export function lastOf(channel, me, thread) {
  const places = thread ? [...(channel?.replies.get(thread) ?? [])] : channel?.roots ?? [];
  const root = thread && channel?.messages.get(thread);
  const found = places.findLast((message) => message.user === me && (thread || isRoot(message)));
  return found ?? (root?.user === me ? root : undefined);
}
