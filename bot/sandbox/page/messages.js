// Messages as Slack shows them: author, time, blocks, files, reactions, and the way into the thread.
import { arrange, clock, count, day, el, moment } from "./dom.js";
import { drawBlocks } from "./blocks.js";
import { emoji, mrkdwn, pictured } from "./mrkdwn.js";

/** As many of the newest are always laid out, so that the end is where it seems to be. */
const NEAR = 40;

/** A list of messages that redraws only what changed and stays at its end when it is there. */
export class Log {
  constructor(root, world, deeds) {
    this.root = root;
    this.world = world;
    this.deeds = deeds;
    this.drawn = new Map();
    this.place = null;
  }

  /**
   * Show `messages` of `channel`. `place` names what is shown: another one begins at its end.
   * `threads` are the replies by root, drawn as a line; without them it is a thread itself. Above
   * the first message after `since` that somebody else wrote stands that it is new.
   */
  show(place, channel, messages, threads, empty, since = "") {
    const fresh = place !== this.place;
    const atEnd = fresh || this.root.scrollHeight - this.root.scrollTop - this.root.clientHeight < 80;
    if (fresh) this.drawn.clear();
    this.place = place;
    const wanted = [];
    let lastDay = "";
    const me = this.world.me();
    const first = since && messages.find((message) => message.ts > since && message.user !== me);
    for (const message of messages) {
      const today = day(message.ts);
      if (threads && today !== lastDay) wanted.push(this.#once(`day ${today}`, today, () => el("p", { class: "day" }, today)));
      lastDay = today;
      if (message === first) wanted.push(this.#once("new", since, () => el("p", { class: "new-line", role: "separator" }, "New")));
      const replies = threads?.get(message.ts);
      const known = replies ? `${replies.length} ${replies.at(-1).ts} ${this.deeds.isNew(channel, message.ts, replies)}` : "";
      wanted.push(this.#message(channel, message, replies, known, Boolean(threads)));
    }
    if (!wanted.length) wanted.push(this.#once("empty", empty, () => el("p", { class: "empty" }, empty)));
    arrange(this.root, wanted);
    // until the first that is marked: what lies above it was marked before
    for (let at = wanted.length - NEAR; at >= 0 && !wanted[at].classList.contains("far"); at -= 1) wanted[at].classList.add("far");
    if (atEnd) this.root.scrollTop = this.root.scrollHeight;
  }

  #once(key, known, draw) {
    const had = this.drawn.get(key);
    if (had?.known === known) return had.node;
    const node = draw();
    this.drawn.set(key, { known, node });
    return node;
  }

  #message(channel, message, replies, known, inChannel) {
    const had = this.drawn.get(message.ts);
    if (had && had.message === message && had.known === known) return had.node;
    const focused = had?.node.contains(document.activeElement) ? document.activeElement.dataset.action ?? "" : null;
    const node = this.#drawn(channel, message, replies, inChannel);
    this.drawn.set(message.ts, { message, known, node });
    if (had) {
      node.classList.toggle("far", had.node.classList.contains("far"));
      had.node.replaceWith(node);
      // Whoever stood on a button that is gone stays with the message.
      if (focused !== null) (focused && node.querySelector(`[data-action="${CSS.escape(focused)}"]`) || node).focus();
    }
    return node;
  }

  /** One message that cannot be drawn must not hide those that follow. */
  #drawn(channel, message, replies, inChannel) {
    try {
      return this.#draw(channel, message, replies, inChannel);
    } catch (fault) {
      console.error(fault);
      return el("article", { class: "message", tabindex: "-1", "data-ts": message.ts, "data-root": message.thread_ts ?? message.ts },
        el("p", { class: "unknown", role: "alert" }, `This page cannot draw this message: ${fault.message}`));
    }
  }

  #draw(channel, message, replies, inChannel) {
    const author = this.world.author(message);
    const surface = {
      act: (block, part, value) => this.deeds.click(channel, message, block, part, value),
      confirm: this.deeds.confirm,
      suggest: (part, typed) => this.deeds.suggest({ channel: channel.id, ts: message.ts }, part, typed),
    };
    const gone = message.subtype === "tombstone";
    const body = message.blocks?.length
      ? drawBlocks(message.blocks, this.world, surface)
      : message.text && el("div", { class: "text" }, mrkdwn(message.text, this.world));
    return el("article", {
      class: `message${message.is_ephemeral ? " ephemeral" : ""}${gone ? " gone" : ""}`,
      tabindex: "-1",
      "data-ts": message.ts,
      "data-root": message.thread_ts ?? message.ts,
      "aria-label": `${author.name}, ${clock(message.ts)}`,
    },
      el("span", { class: `avatar hue-${author.hue}${author.app ? " app" : ""}`, "aria-hidden": "true" }, author.initial),
      el("div", { class: "body" },
        message.is_ephemeral && el("p", { class: "only-you" }, "Only visible to you ", this.#dismiss(channel, message)),
        el("p", { class: "by" },
          el("strong", {}, author.name),
          ...(author.app ? [" ", el("span", { class: "badge" }, "APP")] : []),
          author.word && el("span", { class: "faint" }, author.word),
          el("time", { class: "faint", title: moment(message.ts) }, clock(message.ts))),
        body,
        (message.attachments ?? []).map((one) => this.#attachment(one, surface)),
        (message.files ?? []).map((file) => this.#file(file)),
        message.edited && !message.bot_id && el("p", { class: "faint" }, "(edited)"),
        message.reactions && this.#reactions(channel, message),
        inChannel && !message.is_ephemeral && this.#replies(channel, message, replies)),
      !gone && !message.is_ephemeral && this.#more(channel, message));
  }

  /** What can be done with a message; it shows when one points at it or stands on it. */
  #more(channel, message) {
    const opener = el("button", {
      type: "button", class: "quiet message-menu", "aria-label": "Message actions", "aria-haspopup": "menu", "aria-expanded": "false",
      on: { click: () => this.deeds.menu(opener, channel, message) },
    }, "⋯");
    return opener;
  }

  /** What other apps hang below their words: a coloured bar, a title, fields, blocks. */
  #attachment(one, surface) {
    const words = (text) => text && el("div", { class: "text" }, mrkdwn(text, this.world));
    const empty = !one.blocks?.length && !one.text && !one.title && !one.pretext && !one.fields?.length;
    const hue = { good: "good", warning: "warning", danger: "danger" }[one.color] ?? "";
    return el("div", { class: `attachment ${hue}` },
      words(one.pretext),
      one.title && el("p", { class: "card-title" }, one.title_link ? mrkdwn(`<${one.title_link}|${one.title}>`, this.world) : mrkdwn(one.title, this.world)),
      words(one.text),
      one.fields?.length && el("div", { class: "fields" }, one.fields.map((field) => el("div", {}, el("strong", {}, field.title ?? ""), words(field.value)))),
      one.blocks?.length && drawBlocks(one.blocks, this.world, surface),
      one.footer && el("p", { class: "faint" }, one.footer),
      empty && el("p", {}, one.fallback ?? ""));
  }

  #dismiss(channel, message) {
    return el("button", { type: "button", class: "plain", on: { click: () => this.deeds.dismiss(message) } }, "Dismiss");
  }

  #file(file) {
    const open = () => this.deeds.openFile(file);
    return el("button", { type: "button", class: "file", "aria-label": `Open the file ${file.name}`, on: { click: open } },
      el("strong", {}, file.title || file.name), el("span", { class: "faint" }, ` ${size(file.size)}`));
  }

  #reactions(channel, message) {
    const me = this.world.me();
    return el("div", { class: "reactions" }, message.reactions.map((reaction) => {
      const mine = reaction.users.includes(me);
      return el("button", {
        type: "button",
        class: "reaction",
        "aria-pressed": String(mine),
        "aria-label": `${reaction.name}, ${reaction.count}`,
        on: { click: () => this.deeds.react(channel, message, reaction.name, mine) },
      }, pictured(emoji(reaction.name)), ` ${reaction.count}`);
    }));
  }

  #replies(channel, message, replies) {
    const open = () => this.deeds.openThread(message.thread_ts ?? message.ts);
    if (!replies) return el("button", { type: "button", class: "plain reply", on: { click: open } }, "Reply in thread");
    const fresh = this.deeds.isNew(channel, message.ts, replies);
    return el("button", { type: "button", class: `replies${fresh ? " new" : ""}`, on: { click: open } },
      el("strong", {}, count(replies.length, "reply", "replies")),
      el("span", { class: "faint" }, ` last ${clock(replies.at(-1).ts)}`),
      ...(fresh ? [" ", el("span", { class: "badge" }, "NEW")] : []));
  }
}

const size = (bytes) => (bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} kB`);
