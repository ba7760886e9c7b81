// Block Kit as nodes. What this page cannot draw is shown as an error, never dropped.
import { el } from "./dom.js";
import { broadcast, channelMention, emoji, groupMention, link, mrkdwn, pictured, plain, userMention } from "./mrkdwn.js";

/**
 * Draw blocks. `surface.act(block, element, value)` does what an element does and resolves when it
 * is done; `surface.confirm(object)` asks first; `surface.errors` are complaints by block id.
 */
export function drawBlocks(blocks, world, surface) {
  return blocks.map((block) => {
    const draw = BLOCKS[block.type];
    return draw ? draw(block, world, surface) : unknown(`a block of type “${block.type}”`);
  });
}

const unknown = (what) => el("p", { class: "unknown", role: "alert" }, `This page cannot draw this: ${what}.`);

const BLOCKS = {
  section(block, world, surface) {
    return el("div", { class: "section" },
      el("div", { class: "section-text" },
        block.text && el("div", { class: "text" }, text(block.text, world)),
        block.fields && el("div", { class: "fields" },
          block.fields.map((field) => el("div", { class: "text" }, text(field, world))))),
      block.accessory && el("div", { class: "accessory" }, element(block, block.accessory, world, surface)));
  },
  context(block, world) {
    return el("div", { class: "context" }, block.elements.map((part) =>
      part.type === "image" ? image(part) : el("span", { class: "text" }, text(part, world))));
  },
  header: (block) => el("h3", { class: "block-header" }, plain(block.text.text, block.text.emoji !== false)),
  divider: () => el("hr"),
  image: (block) => image(block),
  actions(block, world, surface) {
    return el("div", { class: "actions" }, block.elements.map((part) => element(block, part, world, surface)));
  },
  input(block, world, surface) {
    const control = element(block, block.element, world, surface);
    const complaint = surface.errors?.[block.block_id];
    const id = `in-${block.block_id}`;
    const described = [block.hint && `${id}-hint`, complaint && `${id}-error`].filter(Boolean).join(" ");
    control.id = id;
    control.dataset.block = block.block_id;
    if (described) control.setAttribute("aria-describedby", described);
    if (complaint) control.setAttribute("aria-invalid", "true");
    if (!block.optional) control.setAttribute("aria-required", "true");
    return el("div", { class: "input" },
      el("label", { for: id }, plain(block.label.text), block.optional && el("span", { class: "faint" }, " (optional)")),
      control,
      complaint && el("p", { id: `${id}-error`, class: "complaint", role: "alert" }, complaint),
      block.hint && el("p", { id: `${id}-hint`, class: "faint" }, plain(block.hint.text)));
  },
  rich_text: (block, world) => el("div", { class: "text" }, block.elements.map((part) => richBlock(part, world))),
};

function text(object, world) {
  return object.type === "mrkdwn" ? mrkdwn(object.text, world) : plain(object.text, object.emoji !== false);
}

// Pictures lie on other hosts, and this page asks none: their words stand for them.
const image = (part) => el("span", { class: "image" }, `[image: ${part.alt_text || "no description"}]`);

// --- elements -----------------------------------------------------------------------------------

function element(block, part, world, surface) {
  const draw = ELEMENTS[part.type];
  return draw ? draw(block, part, world, surface) : unknown(`an element of type “${part.type}”`);
}

const ELEMENTS = {
  button(block, part, _world, surface) {
    const button = el("button", {
      type: "button",
      class: part.style ?? "",
      "data-action": part.action_id,
      "aria-label": part.accessibility_label,
      on: { click: () => act(button, surface, block, part) },
    }, plain(part.text.text, part.text.emoji !== false));
    return button;
  },
  static_select: (block, part, world, surface) => select(block, part, surface, part.placeholder?.text),
  overflow: (block, part, world, surface) => select(block, part, surface, "⋯", "More actions"),
  radio_buttons: (block, part, world, surface) => choices(block, part, surface, "radio"),
  checkboxes: (block, part, world, surface) => choices(block, part, surface, "checkbox"),
  plain_text_input: (block, part) => field(part, part.multiline ? "textarea" : "input", "text"),
  number_input: (block, part) => field(part, "input", "number"),
  email_text_input: (block, part) => field(part, "input", "email"),
  url_text_input: (block, part) => field(part, "input", "url"),
  image: (block, part) => image(part),
};

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

const options = (part) => [...(part.options ?? []), ...(part.option_groups ?? []).flatMap((group) => group.options)];

function select(block, part, surface, placeholder, label) {
  const chosen = part.initial_option?.value;
  const control = el("select", { "data-action": part.action_id, "aria-label": label ?? placeholder ?? "Choose" },
    el("option", { value: "" }, placeholder ?? "Choose…"),
    options(part).map((option) =>
      el("option", { value: option.value, selected: option.value === chosen }, option.text.text)));
  control.read = () => control.value || null;
  if (block.type !== "input") {
    control.addEventListener("change", () => control.value && act(control, surface, block, part, control.value));
  }
  return control;
}

function choices(block, part, surface, kind) {
  const initial = new Set([part.initial_option, ...(part.initial_options ?? [])].map((option) => option?.value));
  const group = el("div", { class: "choices", role: kind === "radio" ? "radiogroup" : "group", "data-action": part.action_id });
  const chosen = () => [...group.querySelectorAll("input:checked")].map((input) => input.value);
  group.read = () => (kind === "radio" ? chosen()[0] ?? null : chosen());
  group.append(...options(part).map((option) =>
    el("label", {}, el("input", {
      type: kind,
      name: `${block.block_id}-${part.action_id}`,
      value: option.value,
      checked: initial.has(option.value),
      on: { change: () => block.type !== "input" && act(group, surface, block, part, group.read()) },
    }), " ", plain(option.text.text))));
  return group;
}

function field(part, tag, type) {
  const control = el(tag, {
    type: tag === "input" ? type : null,
    rows: tag === "textarea" ? "4" : null,
    "data-action": part.action_id,
    placeholder: part.placeholder?.text,
    maxlength: part.max_length,
    minlength: part.min_length,
  });
  control.value = part.initial_value ?? "";
  control.read = () => control.value || null;
  return control;
}

// --- rich text: what people write ---------------------------------------------------------------

function richBlock(part, world) {
  const children = () => (part.elements ?? []).map((inner) => richInline(inner, world));
  switch (part.type) {
    case "rich_text_section": return el("span", {}, children());
    case "rich_text_preformatted": return el("pre", { tabindex: "0", "aria-label": "code" }, el("code", {}, children()));
    case "rich_text_quote": return el("blockquote", {}, children());
    case "rich_text_list":
      return el(part.style === "ordered" ? "ol" : "ul", {}, part.elements.map((item) => el("li", {}, richBlock(item, world))));
    default: return unknown(`rich text of type “${part.type}”`);
  }
}

function richInline(part, world) {
  switch (part.type) {
    case "text": return styled(part.text, part.style);
    case "user": return userMention(part.user_id, world);
    case "channel": return channelMention(part.channel_id, "", world);
    case "usergroup": return groupMention(part.usergroup_id, world);
    case "broadcast": return broadcast(part.range);
    case "emoji": return el("span", {}, pictured(emoji(part.name)));
    case "link": return link(part.url, part.text, world);
    default: return unknown(`rich text of type “${part.type}”`);
  }
}

function styled(words, style = {}) {
  let node = el("span", {}, pictured(words));
  for (const [name, tag] of [["code", "code"], ["strike", "s"], ["italic", "em"], ["bold", "strong"]]) {
    if (style[name]) node = el(tag, {}, node);
  }
  return node;
}
