// Block Kit's interactive elements. What this page cannot draw is shown as an error, never dropped.
import { el } from "./dom.js";
import { openMenu } from "./menu.js";
import { isSafe, plain } from "./mrkdwn.js";

export const unknown = (what) => el("p", { class: "unknown", role: "alert" }, `This page cannot draw this: ${what}.`);

/** Where the workspace cannot ask the app what it offers. */
const unasked = () => unknown("a select whose options the app gives, outside of messages and modals");

/** Draw one element of a block; see `drawBlocks` for `surface`. */
export function element(block, part, world, surface) {
  const draw = ELEMENTS[part.type];
  return draw ? draw(block, part, world, surface) : unknown(`an element of type “${part.type}”`);
}

// Pictures lie on other hosts, and this page asks none: their words stand for them.
export const image = (part) => el("span", { class: "image" }, `[image: ${part.alt_text || "no description"}]`);

const ELEMENTS = {
  __proto__: null,
  button: (block, part, _world, surface) => button(block, part, surface, plain(part.text.text, part.text.emoji !== false)),
  workflow_button: (block, part, _world, surface) => button(block, part, surface, plain(part.text.text, part.text.emoji !== false)),
  icon_button: (block, part, _world, surface) => button(block, part, surface, `${part.icon === "trash" ? "🗑" : "◌"} ${part.text?.text ?? ""}`),
  feedback_buttons: (block, part, _world, surface) => el("span", { class: "actions", role: "group", "aria-label": "Feedback" },
    [["+1", part.positive_button], ["−1", part.negative_button]].map(([sign, one]) =>
      button(block, { ...part, ...one, confirm: null }, surface, `${sign} ${one?.text?.text ?? ""}`))),
  overflow(block, part, _world, surface) {
    const opener = el("button", { type: "button", class: "quiet", "data-action": part.action_id, "aria-label": "More actions", "aria-haspopup": "menu", "aria-expanded": "false" }, "⋯");
    opener.addEventListener("click", () => openMenu(opener, options(part).map((option) => ({
      label: plain(option.text.text),
      act: () => act(opener, surface, block, part, option.value),
    })), "More actions"));
    return opener;
  },
  static_select: (block, part, _world, surface) => select(block, part, surface, groupsOf(part), part.initial_option?.value),
  external_select: (block, part, _world, surface) => (surface.suggest ? suggesting(block, part, surface) : unasked()),
  users_select: (block, part, world, surface) => select(block, part, surface, people(world), part.initial_user),
  conversations_select: (block, part, world, surface) => select(block, part, surface, places(world), part.initial_conversation),
  channels_select: (block, part, world, surface) => select(block, part, surface, places(world), part.initial_channel),
  multi_static_select: (block, part, _world, surface) => several(block, part, surface, groupsOf(part), valuesOf(part.initial_options)),
  multi_external_select: (block, part, _world, surface) => (surface.suggest ? suggestingSeveral(block, part, surface) : unasked()),
  multi_users_select: (block, part, world, surface) => several(block, part, surface, people(world), part.initial_users),
  multi_conversations_select: (block, part, world, surface) => several(block, part, surface, places(world), part.initial_conversations),
  multi_channels_select: (block, part, world, surface) => several(block, part, surface, places(world), part.initial_channels),
  radio_buttons: (block, part, world, surface) => choices(block, part, surface, "radio"),
  checkboxes: (block, part, world, surface) => choices(block, part, surface, "checkbox"),
  plain_text_input: (block, part, _world, surface) => field(block, part, surface, part.multiline ? "textarea" : "input", "text"),
  number_input: (block, part, _world, surface) => field(block, part, surface, "input", "number"),
  email_text_input: (block, part, _world, surface) => field(block, part, surface, "input", "email"),
  url_text_input: (block, part, _world, surface) => field(block, part, surface, "input", "url"),
  datepicker: (block, part, _world, surface) => when(block, part, surface, "date", part.initial_date),
  timepicker: (block, part, _world, surface) => when(block, part, surface, "time", part.initial_time),
  datetimepicker(block, part, _world, surface) {
    const initial = part.initial_date_time;
    const local = initial && new Date(initial * 1000 - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16);
    const control = when(block, part, surface, "datetime-local", local);
    control.read = () => (control.value ? Math.floor(new Date(control.value).getTime() / 1000) : null);
    control.held = () => control.value;
    return control;
  },
  image: (_block, part) => image(part),
};

function button(block, part, surface, label) {
  const made = el("button", {
    type: "button",
    class: part.style ?? "",
    "data-action": part.action_id,
    "aria-label": part.accessibility_label,
    on: {
      click: () => {
        if (isSafe(part.url)) open(part.url, "_blank", "noopener");
        act(made, surface, block, part, part.type === "feedback_buttons" ? part.value : undefined);
      },
    },
  }, label);
  return made;
}

/** Use an element: asks first where the app wants that, and cannot be used twice meanwhile. */
async function act(control, surface, block, part, value) {
  // Not `disabled`, which would take the focus away from who works with the keyboard.
  if (control.hasAttribute("aria-busy")) return;
  if (part.confirm && !(await surface.confirm(part.confirm))) return;
  control.setAttribute("aria-busy", "true");
  try {
    await surface.act(block, part, value);
  } finally {
    control.removeAttribute("aria-busy");
  }
}

/** Whether the app hears of a change at once: elsewhere than in an input, or where it wants that. */
const isHeard = (block) => block.type !== "input" || block.dispatch_action;

const options = (part) => [...(part.options ?? []), ...(part.option_groups ?? []).flatMap((group) => group.options)];
const valuesOf = (chosen) => (chosen ?? []).map((option) => option.value);
const pairs = (list) => list.map((option) => [option.value, option.text.text]);
const groupsOf = (part) => [
  ["", pairs(part.options ?? [])],
  ...(part.option_groups ?? []).map((group) => [group.label.text, pairs(group.options)]),
];
const people = (world) => [["", world.people().map((user) => [user.id, `@${user.name}`])]];
const places = (world) => [["", world.places().map((channel) => [channel.id, `#${channel.label}`])]];

function optionNodes(groups, chosen) {
  const made = (entries) => entries.map(([value, label]) => el("option", { value, selected: chosen.includes(value) }, label));
  return groups.flatMap(([label, entries]) => (label ? el("optgroup", { label }, made(entries)) : made(entries)));
}

function select(block, part, surface, groups, chosen) {
  const control = el("select", { "data-action": part.action_id, "aria-label": part.placeholder?.text ?? "Choose" },
    el("option", { value: "" }, part.placeholder?.text ?? "Choose…"),
    optionNodes(groups, [chosen]));
  control.read = () => control.value || null;
  if (isHeard(block)) control.addEventListener("change", () => control.value && act(control, surface, block, part, control.value));
  return control;
}

function several(block, part, surface, groups, chosen) {
  const control = el("select", { multiple: true, size: "4", "data-action": part.action_id, "aria-label": part.placeholder?.text ?? "Choose some" },
    optionNodes(groups, chosen ?? []));
  control.read = () => [...control.selectedOptions].map((option) => option.value);
  control.hold = (values) => {
    for (const option of control.options) option.selected = values.includes(option.value);
  };
  if (isHeard(block)) control.addEventListener("change", () => act(control, surface, block, part, control.read()));
  return control;
}

/** A field that offers what the app knows as one types; `taken(value, text)` hears what is chosen. */
function searching(part, surface, known, taken) {
  const list = el("datalist", { id: `suggested-${part.action_id}` });
  const field = el("input", { type: "text", list: list.id, "data-action": part.action_id, placeholder: part.placeholder?.text, "aria-label": part.placeholder?.text ?? "Type to search" });
  let asked = 0;
  field.addEventListener("input", async () => {
    if (known.has(field.value)) await taken(known.get(field.value), field.value);
    if (field.value.length < (part.min_query_length ?? 3)) return;
    const mine = ++asked;
    const found = await surface.suggest(part, field.value);
    if (mine !== asked) return;
    for (const option of found) known.set(option.text.text, option.value);
    list.replaceChildren(...found.map((option) => el("option", { value: option.text.text })));
  });
  const whole = el("span", { class: "suggesting" }, field, list);
  return Object.assign(whole, { field });
}

const textsOf = (options) => new Map(options.map((option) => [option.text.text, option.value]));

/** A select whose options the app gives as one types. */
function suggesting(block, part, surface) {
  const known = textsOf(part.initial_option ? [part.initial_option] : []);
  const whole = searching(part, surface, known, (value) => isHeard(block) && act(whole, surface, block, part, value));
  whole.field.value = part.initial_option?.text.text ?? "";
  whole.read = () => known.get(whole.field.value) ?? null;
  whole.held = () => [whole.field.value, ...known];
  whole.hold = ([text, ...entries]) => {
    for (const [one, value] of entries) known.set(one, value);
    whole.field.value = text;
  };
  return whole;
}

/** Several of what the app offers: each one chosen is a button that takes it out again. */
function suggestingSeveral(block, part, surface) {
  const chosen = textsOf(part.initial_options ?? []);
  const shown = el("span", { class: "chosen", role: "group", "aria-label": "Chosen" });
  const heard = () => isHeard(block) && act(whole, surface, block, part, whole.read());
  const draw = () => shown.replaceChildren(...[...chosen.keys()].map((text) => el("button", {
    type: "button",
    "aria-label": `Remove ${text}`,
    on: {
      click: () => {
        chosen.delete(text);
        draw();
        whole.field.focus();
        heard();
      },
    },
  }, `${text} ✕`)));
  const whole = searching(part, surface, new Map(), (value, text) => {
    chosen.set(text, value);
    whole.field.value = "";
    draw();
    return heard();
  });
  whole.append(shown);
  whole.read = () => [...chosen.values()];
  whole.held = () => [...chosen];
  whole.hold = (entries) => {
    for (const [text, value] of entries) chosen.set(text, value);
    draw();
  };
  draw();
  return whole;
}

function choices(block, part, surface, kind) {
  const initial = new Set([part.initial_option, ...(part.initial_options ?? [])].map((option) => option?.value));
  const group = el("div", { class: "choices", role: kind === "radio" ? "radiogroup" : "group", "data-action": part.action_id });
  group.hold = (values) => {
    for (const input of group.querySelectorAll("input")) input.checked = [values].flat().includes(input.value);
  };
  const chosen = () => [...group.querySelectorAll("input:checked")].map((input) => input.value);
  group.read = () => (kind === "radio" ? chosen()[0] ?? null : chosen());
  group.append(...options(part).map((option) =>
    el("label", {}, el("input", {
      type: kind,
      name: `${block.block_id}-${part.action_id}`,
      value: option.value,
      checked: initial.has(option.value),
      on: { change: () => isHeard(block) && act(group, surface, block, part, group.read()) },
    }), " ", plain(option.text.text), option.description && el("span", { class: "faint" }, ` ${option.description.text}`))));
  return group;
}

function field(block, part, surface, tag, type) {
  const control = el(tag, {
    type: tag === "input" ? type : null,
    rows: tag === "textarea" ? "4" : null,
    "data-action": part.action_id,
    placeholder: part.placeholder?.text,
    maxlength: part.max_length,
    minlength: part.min_length,
    min: part.min_value,
    max: part.max_value,
    step: type === "number" && part.is_decimal_allowed ? "any" : null,
  });
  control.value = part.initial_value ?? "";
  control.read = () => control.value || null;
  if (block.dispatch_action) {
    control.addEventListener("change", () => act(control, surface, block, part, control.value));
  }
  return control;
}

function when(block, part, surface, type, initial) {
  const control = el("input", { type, "data-action": part.action_id, "aria-label": part.placeholder?.text ?? "Choose when" });
  control.value = initial ?? "";
  control.read = () => control.value || null;
  if (isHeard(block)) control.addEventListener("change", () => control.value && act(control, surface, block, part, control.read()));
  return control;
}
