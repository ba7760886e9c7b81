// The workspace's feed: the whole state once, then every change; what was lost is read again.
import { byId, toast } from "./dom.js";
import { KINDS } from "./store.js";

const PAUSE = 1500; // milliseconds before it tries again
const AGAIN = "Trying again …; if you stopped it, run make demo again.";

/**
 * Follow the workspace into `store`. `loaded(first)` hears of each whole state, `heard(kind, data)`
 * of each change of one of the `kinds`.
 */
export class Feed {
  constructor(store, kinds, { me, loaded, heard }) {
    this.store = store;
    this.kinds = [...KINDS, ...kinds];
    this.me = me;
    this.loaded = loaded;
    this.heard = heard;
    this.source = null;
  }

  async start() {
    this.source?.close();
    let response;
    try {
      response = await fetch("/control/state");
    } catch {
      banner(`The workspace does not answer. ${AGAIN}`);
      setTimeout(() => this.start(), PAUSE);
      return;
    }
    if (!response.ok) {
      banner("This page belongs to a workspace that is gone: open the address that the terminal printed.");
      return;
    }
    const first = !this.store.raw;
    this.store.load(await response.json());
    banner("");
    this.loaded(first);
    this.#follow();
  }

  #follow() {
    const source = new EventSource(`/control/events?since=${this.store.seq}`);
    this.source = source;
    source.addEventListener("open", () => banner(""));
    source.addEventListener("error", () => {
      banner(`The connection to the workspace is lost. ${AGAIN}`);
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.start(), PAUSE);
    });
    source.addEventListener("reset", () => this.start());
    for (const kind of this.kinds) {
      source.addEventListener(kind, (event) => {
        const data = JSON.parse(event.data);
        const notice = this.store.apply(kind, data, this.me());
        if (notice) toast(notice);
        this.heard(kind, data);
      });
    }
  }
}

function banner(text) {
  byId("banner").textContent = text;
  byId("banner").hidden = !text;
}
