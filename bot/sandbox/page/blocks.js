// Block Kit as nodes. What this page cannot draw is shown as an error, never dropped.
import { el } from "./dom.js";
import { element, image, unknown } from "./elements.js";
import { broadcast, channelMention, emoji, groupMention, link, mrkdwn, pictured, plain, preformatted, userMention } from "./mrkdwn.js";

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

const BLOCKS = {
  __proto__: null,
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
    const field = control.field ?? control; // where one types, in a control of several parts
    const described = [block.hint && `${id}-hint`, complaint && `${id}-error`].filter(Boolean).join(" ");
    field.id = id;
    control.dataset.block = block.block_id;
    field.removeAttribute("aria-label"); // the block's own label names it
    if (field.matches("[role]")) field.setAttribute("aria-labelledby", `${id}-label`);
    if (described) field.setAttribute("aria-describedby", described);
    if (complaint) field.setAttribute("aria-invalid", "true");
    if (!block.optional && !field.matches("[role=group]")) field.setAttribute("aria-required", "true");
    return el("div", { class: "input" },
      el("label", { id: `${id}-label`, for: id }, plain(block.label.text), block.optional && el("span", { class: "faint" }, " (optional)")),
      control,
      complaint && el("p", { id: `${id}-error`, class: "complaint", role: "alert" }, complaint),
      block.hint && el("p", { id: `${id}-hint`, class: "faint" }, plain(block.hint.text)));
  },
  markdown: (block, world) => el("div", { class: "text" }, mrkdwn(asMrkdwn(block.text), world)),
  table(block, world) {
    const [head, ...rows] = block.rows;
    return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "table" }, el("table", {},
      el("thead", {}, el("tr", {}, head.map((cell) => el("th", { scope: "col" }, tableCell(cell, world))))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, tableCell(cell, world))))))));
  },
  context_actions: (block, world, surface) => el("div", { class: "actions" }, block.elements.map((part) => element(block, part, world, surface))),
  alert: (block, world) => el("p", { class: `alert ${block.level ?? "default"}`, role: "note" }, text(block.text, world)),
  card(block, world, surface) {
    const line = (part, kind) => part && el("div", { class: kind }, text(part, world));
    return el("div", { class: "card" },
      line(block.title, "card-title"), line(block.subtitle, "faint"), line(block.body, "text"), line(block.subtext, "faint"),
      block.actions && el("div", { class: "actions" }, block.actions.map((part) => element(block, part, world, surface))));
  },
  task_card: (block, world) => task(block, world),
  plan: (block, world) => el("div", { class: "plan" },
    el("p", { class: "card-title" }, typeof block.title === "string" ? block.title : text(block.title, world)),
    (block.tasks ?? []).map((one) => task(one, world))),
  file: (block) => el("p", { class: "faint" }, `[file: ${block.external_id ?? block.file_id ?? "remote"}]`),
  video: (block, world) => el("p", {}, link(block.title_url ?? block.video_url, block.title?.text ?? block.alt_text, world)),
  rich_text: (block, world) => el("div", { class: "text" }, block.elements.map((part) => richBlock(part, world))),
};

const MARKS = { __proto__: null, pending: "○", in_progress: "⏳", complete: "✓", error: "✕" };

function task(one, world) {
  const rich = (part) => part && (part.type === "rich_text" ? drawBlocks([part], world, {})[0] : el("div", {}, String(part)));
  return el("div", { class: "task" },
    el("p", {}, el("span", { "aria-hidden": "true" }, `${MARKS[one.status] ?? "○"} `), one.title, " ", el("span", { class: "faint" }, (one.status ?? "").replace("_", " "))),
    rich(one.details), rich(one.output),
    (one.sources ?? []).map((source) => el("p", {}, link(source.url, source.text, world))));
}

function tableCell(cell, world) {
  switch (cell.type) {
    case "raw_text": return plain(cell.text);
    case "raw_number": return String(cell.value ?? cell.number ?? "");
    case "rich_text": return drawBlocks([cell], world, {});
    default: return unknown(`a cell of type “${cell.type}”`);
  }
}

/** Markdown's own marks as Slack's: what a model writes most. */
function asMrkdwn(source) {
  return source
    .replace(/^#{1,6} +(.+)$/gm, "*$1*")
    .replace(/\*\*(.+?)\*\*/g, "*$1*")
    .replace(/^[-*] +/gm, "• ")
    .replace(/\[([^\]]+)\]\((https?:[^)\s]+)\)/g, "<$2|$1>");
}

function text(object, world) {
  return object.type === "mrkdwn" ? mrkdwn(object.text, world) : plain(object.text, object.emoji !== false);
}

// --- rich text: what people write ---------------------------------------------------------------

function richBlock(part, world) {
  const children = () => (part.elements ?? []).map((inner) => richInline(inner, world));
  switch (part.type) {
    case "rich_text_section": return el("span", {}, children());
    case "rich_text_preformatted": return preformatted(el("code", {}, children()));
    case "rich_text_quote": return el("blockquote", {}, children());
    case "rich_text_list":
      return el(part.style === "ordered" ? "ol" : "ul", { "data-indent": part.indent || null, start: part.offset ? part.offset + 1 : null }, part.elements.map((item) => el("li", {}, richBlock(item, world))));
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
    case "date": return el("span", {}, part.fallback ?? new Date(part.timestamp * 1000).toLocaleString());
    case "color": return el("code", {}, part.value);
    case "team": return el("span", {}, part.team_id);
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
