// The app's Home tab: a view that the app publishes for each person.
import { el } from "./dom.js";
import { drawBlocks } from "./blocks.js";

/** Draw the Home tab into `root`; drawn again only when the view changed. */
export class Home {
  constructor(root, world, deeds) {
    this.root = root;
    this.world = world;
    this.deeds = deeds;
    this.entry = null;
  }

  show(entry, enabled, app) {
    const known = entry ?? (enabled ? "empty" : "none");
    if (known === this.entry) return;
    this.entry = known;
    if (!entry) {
      this.root.replaceChildren(el("p", { class: "empty" }, enabled ? `${app} has not published its Home yet.` : `${app} has no Home tab.`));
      return;
    }
    const surface = {
      act: (block, part, value) => this.deeds.clickView(entry.view, block, part, value),
      confirm: this.deeds.confirm,
    };
    this.root.replaceChildren(...drawBlocks(entry.view.blocks ?? [], this.world, surface));
  }
}
