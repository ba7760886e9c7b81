// What a person does with words and messages: write, complete, react, copy, edit, delete.
import { ask, askText } from "./dialogs.js";
import { toast } from "./dom.js";
import { openMenu } from "./menu.js";
import { emoji } from "./mrkdwn.js";
import { lastOf } from "./reading.js";
import { deed } from "./store.js";

const REACTIONS = ["eyes", "white_check_mark", "+1", "heart", "tada", "thinking_face", "warning", "x"];

/**
 * Acts as who one is. `tools` are `store`, `here`, `world`, `current()` (the channel shown),
 * `go(change)` and `posted(ts)`, which hears of each message written in a channel.
 */
export class Acts {
  constructor(tools) {
    Object.assign(this, tools);
  }

  /** Do something as the person; what is refused is said. */
  async perform(name, wish) {
    try {
      return await deed(name, { user: this.here.me, ...wish });
    } catch (refusal) {
      toast(refusal.message);
      return null;
    }
  }

  /** Send what was written; `thread` is the ts of its root. Raises `Error` when it is refused. */
  async write(text, files, thread) {
    const channel = this.current()?.id ?? "app";
    const [, command, rest = ""] = /^(\/\S+)\s*([^]*)$/.exec(text) ?? [];
    if (command) {
      // as Slack's own client: a thread takes no commands
      if (thread) throw new Error(`${command} is not supported in threads. Sorry!`);
      await deed("slash", { user: this.here.me, channel, command, text: rest });
      return;
    }
    const sent = await deed("post", { user: this.here.me, channel, text, files, ...(thread ? { thread_ts: thread } : {}) });
    if (!thread) this.posted(sent.ts);
  }

  /** What completes a word: commands only where they work. */
  offers(commands) {
    const { store, here, world } = this;
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

  /** What one may do with a message. */
  menu(opener, channel, message) {
    const { me } = this.here;
    const mine = message.user === me;
    const admin = this.store.users.get(me)?.is_admin;
    const place = { channel: channel.id, ts: message.ts };
    const reacted = (name) => message.reactions?.some((one) => one.name === name && one.users.includes(me)) ?? false;
    const shortcuts = Object.entries(this.store.raw.app.shortcuts ?? {}).filter(([, kind]) => kind === "message");
    openMenu(opener, [
      ...REACTIONS.map((name) => ({ label: `${emoji(name)} ${name.replaceAll("_", " ")}`, checked: reacted(name), act: () => this.perform("react", { ...place, name, remove: reacted(name) }) })),
      { label: "Reply in thread", act: () => this.go({ thread: message.thread_ts ?? message.ts }) },
      { label: "Copy link", act: () => copyLink(channel, message) },
      mine && { label: "Edit message", act: () => this.#edit(channel, message) },
      (mine || admin) && { label: "Delete message", danger: true, act: () => this.#remove(channel, message) },
      ...shortcuts.map(([callback_id]) => ({ label: callback_id, act: () => this.perform("shortcut", { ...place, callback_id }) })),
    ], "Message actions");
  }

  /** Edit one's last message here; says whether there is one. */
  editLast(thread) {
    const channel = this.current();
    const last = lastOf(channel, this.here.me, thread);
    if (last) this.#edit(channel, last);
    return Boolean(last);
  }

  async #edit(channel, message) {
    const text = await askText("Edit message", "Message", this.#typed(message));
    if (text?.trim()) await this.perform("edit", { channel: channel.id, ts: message.ts, text: text.trim() });
  }

  async #remove(channel, message) {
    const sure = await ask({ title: { text: "Delete message" }, text: { text: "It cannot be brought back." }, confirm: { text: "Delete" }, style: "danger" });
    if (!sure) return;
    const gone = document.querySelector(`[data-ts="${CSS.escape(message.ts)}"]`);
    const next = gone?.nextElementSibling ?? gone?.previousElementSibling;
    await this.perform("delete", { channel: channel.id, ts: message.ts });
    next?.focus(); // or the keyboard would stand nowhere
  }

  /** A message as it was typed: mentions by name. */
  #typed(message) {
    const { world } = this;
    return message.text
      .replace(/<@(\w+)>/g, (_, id) => `@${world.userName(id)}`)
      .replace(/<!subteam\^(\w+)[^>]*>/g, (_, id) => `@${world.groupName(id)}`)
      .replace(/<!(here|channel)>/g, "@$1")
      .replace(/<#(\w+)[^>]*>/g, (_, id) => `#${world.channelName(id) ?? id}`)
      .replace(/<(https?:[^|>]+)[^>]*>/g, "$1")
      .replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  }
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
