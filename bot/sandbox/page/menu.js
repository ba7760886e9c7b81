// A menu that opens at a button: arrow keys walk it, Escape closes it and gives the focus back.
import { el } from "./dom.js";

let open = null;

/**
 * Open a menu at `anchor`. `items` are `{label, act, danger, checked}`; nothing is drawn for a false
 * one. Without any it says so.
 */
export function openMenu(anchor, items, label) {
  closeMenu();
  const buttons = items.filter(Boolean).map((item) => el("button", {
    type: "button",
    role: item.checked === undefined ? "menuitem" : "menuitemcheckbox",
    "aria-checked": item.checked === undefined ? null : String(item.checked),
    tabindex: "-1",
    class: item.danger ? "danger" : "",
    on: {
      click: () => {
        closeMenu();
        item.act();
      },
    },
  }, item.label));
  const menu = el("div", { class: "menu", role: "menu", "aria-label": label }, buttons.length ? buttons : el("p", { class: "faint" }, "Nothing can be done here."));
  open = { menu, anchor };
  // inside a dialog, or it would lie behind it
  (anchor.closest("dialog") ?? document.body).append(menu);
  place(menu, anchor);
  anchor.setAttribute("aria-expanded", "true");
  menu.addEventListener("keydown", (event) => walk(event, buttons));
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) closeMenu(false);
  });
  buttons[0]?.focus();
}

/** Close what is open; the focus goes back to its button. */
export function closeMenu(refocus = true) {
  if (!open) return;
  const { menu, anchor } = open;
  open = null;
  menu.remove();
  anchor.setAttribute("aria-expanded", "false");
  if (refocus) anchor.focus();
}

document.addEventListener("pointerdown", (event) => {
  if (open && !open.menu.contains(event.target) && !open.anchor.contains(event.target)) closeMenu(false);
});

function walk(event, buttons) {
  const now = buttons.indexOf(document.activeElement);
  const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (event.key === "Escape" || event.key === "Tab") {
    event.preventDefault();
    event.stopPropagation();
    closeMenu();
  } else if (to !== undefined && buttons.length) {
    event.preventDefault();
    buttons[(to + buttons.length) % buttons.length].focus();
  }
}

/** Below the button where there is room, else above; never outside of the window. */
function place(menu, anchor) {
  const at = anchor.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const below = at.bottom + height + 8 < innerHeight;
  menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
  menu.style.top = `${Math.max(8, below ? at.bottom + 4 : at.top - height - 4)}px`;
}
