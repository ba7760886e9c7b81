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

  show(entry, app) {
    const known = entry ?? "empty";
    if (known === this.entry) return;
    this.entry = known;
    if (!entry) {
      this.root.replaceChildren(el("p", { class: "empty" }, `${app} has not published its Home yet.`));
      return;
    }
    const surface = {
      act: (block, part, value) => this.deeds.clickView(entry.view, block, part, value),
      confirm: this.deeds.confirm,
    };
    this.root.replaceChildren(...drawBlocks(entry.view.blocks ?? [], this.world, surface));
  }
}
