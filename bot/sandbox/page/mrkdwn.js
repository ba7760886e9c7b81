// Slack's text formatting as nodes: what is in the text can become bold or a link, never markup.
import { el } from "./dom.js";

// No prototype: a name such as `constructor` must find nothing.
const EMOJI = {
  __proto__: null,
  white_check_mark: "✅", heavy_check_mark: "✔️", warning: "⚠️", no_entry: "⛔", no_entry_sign: "🚫",
  hourglass: "⌛", hourglass_flowing_sand: "⏳", leftwards_arrow_with_hook: "↩️", eyes: "👀",
  "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎", x: "❌", wave: "👋", tada: "🎉",
  rocket: "🚀", fire: "🔥", rotating_light: "🚨", heart: "❤️", thinking_face: "🤔", bulb: "💡",
  information_source: "ℹ️", lock: "🔒", mag: "🔍", wrench: "🔧", slightly_smiling_face: "🙂",
};
// Drawn by this page, because not every machine has a font with them; Slack draws all of its own.
const PICTURES = { "⏳": "hourglass", "⌛": "hourglass", "✅": "check", "⚠": "warning", "⛔": "no_entry", "↩": "undo" };
const PICTURED = new RegExp(`([${Object.keys(PICTURES).join("")}])\\ufe0f?`, "u");
const STYLES = { "*": "strong", _: "em", "~": "s" };
const WORD = /[\p{L}\p{N}]/u;
const SAFE_LINK = /^(https?:\/\/|mailto:)/i;

/** What a short name such as `eyes` looks like; its name where this page has no picture. */
export const emoji = (name) => EMOJI[name] ?? `:${name}:`;

/** Literal text, with the emoji in it drawn. */
export function pictured(text) {
  // Every second part is an emoji.
  return text.split(PICTURED).map((part, index) =>
    (index % 2 ? el("img", { class: "emoji", src: `/emoji/${PICTURES[part]}.svg`, alt: part }) : part));
}

const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** Formatted text. `world` knows the names of people and channels and where links lead. */
export function mrkdwn(text, world) {
  const made = document.createDocumentFragment();
  // Odd parts are inside a fence; one that nobody closes is no fence.
  const parts = String(text).split("```");
  if (parts.length % 2 === 0) parts.push(parts.splice(-2).join("```"));
  parts.forEach((part, index) => {
    if (index % 2) made.append(fence(part, world));
    else paragraphs(made, trimAround(part, index, parts.length), world);
  });
  return made;
}

/** The nodes of a text without formatting, except emoji where they are wanted. */
export function plain(text, withEmoji = true) {
  const shown = String(text ?? "");
  return pictured(withEmoji ? shown.replace(/:([a-z0-9_+'-]+):/g, (whole, name) => EMOJI[name] ?? whole) : shown);
}

function trimAround(part, index, total) {
  // A fence is a block of its own: the line breaks next to it are not shown a second time.
  let text = part;
  if (index > 0) text = text.replace(/^\n/, "");
  if (index < total - 1) text = text.replace(/\n$/, "");
  return text;
}

function fence(text, world) {
  const inside = el("code");
  // Slack keeps links and mentions alive inside a fence; all else is literal.
  for (const part of text.replace(/^\n/, "").replace(/\n$/, "").split(/(<[^<>\n]+>)/)) {
    if (part.startsWith("<") && part.endsWith(">")) inside.append(entity(part.slice(1, -1), world));
    else inside.append(unescape(part));
  }
  return preformatted(inside);
}

/** Code as a block; what is set in columns keeps them. */
export function preformatted(...children) {
  const made = el("pre", { tabindex: "0", role: "group", "aria-label": "code" }, ...children);
  const lines = made.textContent.split("\n").filter((line) => /\S {2,}\S/.test(line));
  made.classList.toggle("columns", lines.length > 1);
  return made;
}

function paragraphs(made, text, world) {
  if (!text) return;
  let quoted = null;
  const lines = text.split("\n");
  lines.forEach((line, index) => {
    const mark = /^(&gt;|>)(?!&gt;|>) ?/.exec(line);
    if (mark) {
      if (quoted) quoted.append("\n");
      else made.append((quoted = el("blockquote")));
      inline(quoted, line.slice(mark[0].length), world);
      return;
    }
    if (index > 0 && !quoted) made.append("\n");
    quoted = null;
    inline(made, line, world);
  });
}

function inline(parent, text, world) {
  let kept = "";
  const flush = () => {
    if (kept) parent.append(...pictured(unescape(kept)));
    kept = "";
  };
  for (let at = 0; at < text.length; ) {
    const token = tokenAt(text, at, world);
    if (token) {
      flush();
      parent.append(token.node);
      at = token.end;
    } else {
      kept += text[at];
      at += 1;
    }
  }
  flush();
}

function tokenAt(text, at, world) {
  switch (text[at]) {
    case "`": {
      const end = text.indexOf("`", at + 1);
      if (end <= at + 1) return null;
      const code = el("code");
      for (const part of text.slice(at + 1, end).split(/(<[^<>]+>)/)) {
        if (part.startsWith("<") && part.endsWith(">")) code.append(entity(part.slice(1, -1), world));
        else code.append(unescape(part));
      }
      return { node: code, end: end + 1 };
    }
    case "<": {
      const end = text.indexOf(">", at + 1);
      if (end <= at + 1 || text.slice(at + 1, end).includes("<")) return null;
      return { node: entity(text.slice(at + 1, end), world), end: end + 1 };
    }
    case "*": case "_": case "~": {
      const end = closing(text, at);
      if (end < 0) return null;
      const styled = el(STYLES[text[at]]);
      inline(styled, text.slice(at + 1, end), world);
      return { node: styled, end: end + 1 };
    }
    case ":": {
      const found = /^:([a-z0-9_+'-]+):/.exec(text.slice(at, at + 102));
      if (!found || !(found[1] in EMOJI)) return null;
      return { node: picture(found[1]), end: at + found[0].length };
    }
    default:
      return null;
  }
}

const picture = (name) => el("span", { title: `:${name}:` }, pictured(emoji(name)));

/** Where the style that opens at `at` closes, or -1: marks count only at the edges of words. */
function closing(text, at) {
  const mark = text[at];
  if (WORD.test(text[at - 1] ?? " ") || /\s/.test(text[at + 1] ?? " ") || text[at + 1] === mark) return -1;
  for (let end = at + 1; end < text.length; end += 1) {
    if (text[end] === "`" || text[end] === "<") {
      const skip = text.indexOf(text[end] === "`" ? "`" : ">", end + 1);
      if (skip > 0) end = skip;
    } else if (text[end] === mark && !/\s/.test(text[end - 1]) && !WORD.test(text[end + 1] ?? " ")) {
      return end;
    }
  }
  return -1;
}

function entity(body, world) {
  const bar = body.indexOf("|");
  const target = bar < 0 ? body : body.slice(0, bar);
  const label = bar < 0 ? "" : unescape(body.slice(bar + 1));
  if (target.startsWith("@")) return userMention(target.slice(1), world);
  if (target.startsWith("#")) return channelMention(target.slice(1), label, world);
  if (target.startsWith("!subteam^")) return mention(`@${world.groupName(target.slice(9))}`, world.inGroup(target.slice(9)));
  if (target.startsWith("!date^")) return date(target, label);
  if (/^!(here|channel|everyone)$/.test(target)) return mention(`@${target.slice(1)}`, true);
  if (target.startsWith("!")) return document.createTextNode(label || `<${unescape(body)}>`);
  return link(unescape(target), label, world);
}

/** A mention of a person. */
export const userMention = (id, world) => mention(`@${world.userName(id)}`, id === world.me());
/** A mention of a user group. */
export const groupMention = (id, world) => mention(`@${world.groupName(id)}`, world.inGroup(id));
/** `@here` and its like. */
export const broadcast = (range) => mention(`@${range}`, true);
const mention = (text, mine) => el("span", { class: mine ? "mention mine" : "mention" }, text);

/** A reference to a channel, which opens it. */
export function channelMention(id, label, world) {
  const name = `#${world.channelName(id) ?? label ?? id}`;
  const open = () => world.openChannel(id);
  return el("button", { type: "button", class: "mention", on: { click: open } }, name);
}

/** Whether an address may be opened. */
export const isSafe = (url) => SAFE_LINK.test(url ?? "") && URL.canParse(url);

/** A link that leads out in a new tab, or within this page; text where it is no address. */
export function link(url, label, world) {
  if (!isSafe(url)) return document.createTextNode(label ? `${label} (${url})` : `<${url}>`);
  const inside = world.insideLink(url);
  if (inside) return el("a", { href: inside.href, on: { click: inside.open } }, label || url);
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, label || url);
}

function date(target, label) {
  const [, seconds, format = "", url] = target.split("^");
  const at = new Date(Number(seconds) * 1000);
  if (!/^-?\d+$/.test(seconds ?? "") || Number.isNaN(at.getTime())) return document.createTextNode(label);
  const text = format.replace(/\{(\w+)\}/g, (whole, token) => dated(at, token) ?? whole);
  const shown = el("time", { datetime: at.toISOString(), title: at.toString() }, text || label);
  return url && SAFE_LINK.test(url)
    ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, shown)
    : shown;
}

function dated(at, token) {
  const as = (options) => new Intl.DateTimeFormat(undefined, { hour12: false, ...options }).format(at);
  const short = { month: "short", day: "numeric", year: "numeric" };
  switch (token) {
    case "date_num": return at.toISOString().slice(0, 10);
    case "date_slash": return as({ month: "2-digit", day: "2-digit", year: "numeric" });
    case "date": return as({ month: "long", day: "numeric", year: "numeric" });
    case "date_long": return as({ weekday: "long", month: "long", day: "numeric", year: "numeric" });
    case "date_short": return as(short);
    case "date_pretty": case "date_short_pretty": case "date_long_pretty":
      return at.toDateString() === new Date().toDateString() ? "today" : as(short);
    case "time": return as({ hour: "2-digit", minute: "2-digit" });
    case "time_secs": return as({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
    case "ago": return `${Math.max(0, Math.round((Date.now() - at) / 60000))} min ago`;
    default: return null;
  }
}
