// Elements without innerHTML: whatever text comes in stays text.

/**
 * Make an element. `on` holds listeners; `true` sets an empty attribute; `false`, `null` and
 * `undefined` set none. Children are nodes or text; nothing for `null` and `false`.
 */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value === true) {
      made.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, value);
    }
  }
  made.append(...children.flat().filter((child) => child !== null && child !== false && child !== undefined));
  return made;
}

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** Make `parent` hold exactly `wanted`, moving only what stands elsewhere. */
export function arrange(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.childNodes]) if (!keep.has(child)) child.remove();
  let next = parent.firstChild;
  for (const node of wanted) {
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
}

/** Say something for a few seconds; a screen reader says it too. */
export function toast(text) {
  const shown = el("p", { class: "toast" }, text);
  byId("toasts").append(shown);
  setTimeout(() => shown.remove(), 6000);
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", month: "long", day: "numeric" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium", hour12: false });

/** A message's `ts` as 14:05. */
export const clock = (ts) => CLOCK.format(new Date(Number(ts) * 1000));
/** A message's `ts` in full. */
export const moment = (ts) => FULL.format(new Date(Number(ts) * 1000));
const days = new Map();

/** A message's day. Formatted once per quarter of an hour: no time zone changes its day within one. */
export function day(ts) {
  const quarter = Math.floor(Number(ts) / 900);
  if (!days.has(quarter)) days.set(quarter, DAY.format(new Date(quarter * 900_000)));
  return days.get(quarter);
}

/** "1 reply", "3 replies". */
export const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;
