// The demo cluster as it changes, and what one can break in it.
import { arrange, clock, count, el, toast } from "../dom.js";

const SHORT = { __proto__: null, deployment: "", statefulset: "stateful set", daemonset: "daemon set", cronjob: "cron job", job: "job" };
const STATES = { "going on": "going on", mended: "put back", quiet: "" };

/** The Cluster tab. */
export class ClusterView {
  constructor(tools) {
    this.tools = tools;
    this.root = el("div", { class: "cluster" });
    this.drawn = new Map();
    this.cluster = null;
    this.stories = null;
  }

  /** Draw the newest picture; what did not change keeps its node. */
  draw() {
    const { cluster, stories } = this.tools.store.beside;
    if (!cluster || (cluster === this.cluster && stories === this.stories)) return;
    Object.assign(this, { cluster, stories });
    const focused = document.activeElement?.closest(".break [data-story]")?.dataset.story;
    const wanted = [];
    if (stories?.length) wanted.push(this.#once("stories", stories, () => this.#stories(stories), false));
    let namespace = null;
    for (const workload of [...(cluster.workloads ?? [])].sort(unwellFirst)) {
      const group = workload.settled ? workload.namespace : "Not well";
      if (group !== namespace) {
        namespace = group;
        const name = namespace;
        wanted.push(this.#once(`ns ${name}`, name, () => el("h3", { class: "namespace" }, name)));
      }
      const key = `w ${workload.namespace}/${workload.kind}/${workload.name}`;
      wanted.push(this.#workload(key, workload));
    }
    const rest = [
      ["nodes", "Nodes", cluster.nodes ?? [], drawNode],
      ["claims", "Volume claims", cluster.claims ?? [], drawClaim],
      ["events", "Newest events", cluster.events, drawEvent],
    ];
    for (const [key, title, things, draw] of rest) {
      if (things.length) wanted.push(this.#list(key, title, things, draw));
    }
    arrange(this.root, wanted);
    if (focused) this.root.querySelector(`[data-story="${CSS.escape(focused)}"] button`)?.focus();
  }

  /** A workload flashes when something but its load and its pods' age changed. */
  #workload(key, workload) {
    const calm = { ...workload, traffic: null, pods: workload.pods.map((pod) => ({ ...pod, age: "", cpu: 0, memory: 0 })) };
    return this.#once(key, workload, () => drawWorkload(workload), JSON.stringify(calm));
  }

  /** `calm` is what must differ for the new node to flash; false: it never does. */
  #once(key, thing, draw, calm = "") {
    const known = JSON.stringify(thing);
    const had = this.drawn.get(key);
    if (had?.known === known) return had.node;
    const node = draw();
    if (had && calm && had.calm !== calm) node.classList.add("changed");
    this.drawn.set(key, { known, node, calm });
    return node;
  }

  /** A list that one can fold; it stays as one left it. */
  #list(key, title, things, draw) {
    const had = this.drawn.get(key);
    const known = JSON.stringify(things);
    if (had?.known === known) return had.node;
    const node = had?.node ?? el("details", { class: "more", open: true }, el("summary", {}, title), el("ul", {}));
    node.querySelector("ul").replaceChildren(...things.map(draw));
    this.drawn.set(key, { known, node });
    return node;
  }

  #stories(stories) {
    return el("section", { class: "break", "aria-label": "Break something" },
      el("h3", {}, "Break something"),
      el("p", { class: "faint" }, "Each has one cause; somebody reports it in #ops, and you find out."),
      el("ul", {}, stories.map((story) => el("li", { "data-story": story.key },
        el("span", { class: "story-title", title: story.symptom }, story.title,
          STATES[story.state] && el("span", { class: `badge story-${story.state === "mended" ? "mended" : "on"}` }, STATES[story.state])),
        story.state === "going on"
          ? this.#act(story, "mend", "Put it back")
          : this.#act(story, "begin", "Break it")))));
  }

  #act(story, act, label) {
    return el("button", {
      type: "button", "aria-label": `${label}: ${story.title}`,
      on: {
        click: async (event) => {
          if (event.target.ariaBusy === "true") return;
          event.target.ariaBusy = "true";
          try {
            await this.tools.deed("story", { key: story.key, do: act });
          } catch (refusal) {
            toast(refusal.message);
            event.target.ariaBusy = null;
          }
        },
      },
    }, label);
  }
}

// What is broken is what one came to see.
const unwellFirst = (a, b) => a.settled - b.settled || byName(a, b);
const byName = (a, b) => `${a.namespace}/${a.name}/${a.kind}`.localeCompare(`${b.namespace}/${b.name}/${b.kind}`);

function drawWorkload(workload) {
  const { kind, name, desired, ready, updated, available, settled, paused, traffic } = workload;
  const repeats = kind === "cronjob" || kind === "job";
  return el("section", { class: `workload ${settled ? "well" : "unwell"}`, "aria-label": `${kind} ${name}` },
    el("h4", {},
      el("span", {}, !settled && el("span", { class: "faint" }, `${workload.namespace}/`), name, ...(SHORT[kind] ? [" ", el("span", { class: "badge" }, SHORT[kind])] : [])),
      el("span", { class: "ready" }, repeats ? workload.word || "" : `${ready}/${desired} ready`)),
    el("p", { class: "faint" }, `${workload.images.join(", ")}${workload.revision ? ` · revision ${workload.revision}` : ""}`),
    paused && el("p", { class: "state" }, "paused"),
    !settled && !repeats && el("div", { class: "rollout" },
      el("progress", { max: Math.max(desired, 1), value: Math.min(available, updated), "aria-label": `Rollout of ${name}` }),
      el("span", { class: "state" }, `${updated} of ${desired} updated, ${available} available`)),
    workload.word && !repeats && !settled && el("p", { class: "state" }, workload.word),
    traffic && el("p", { class: "traffic faint" },
      `${round(traffic.rps)} requests/s · `,
      el("span", { class: traffic.error_rate >= 0.01 ? "bad" : "" }, `${round(traffic.error_rate * 100)} % errors`),
      ` · p95 ${Math.round(traffic.p95_ms)} ms`),
    el("ul", { class: "pods" }, workload.pods.map((pod) => drawPod(pod, name))));
}

function drawPod(pod, owner) {
  const [ready, all] = String(pod.ready).split("/");
  const good = pod.status === "Completed" || (pod.status === "Running" && ready === all);
  const kind = good ? "good" : /crash|error|oom|back|fail|invalid|evict/i.test(pod.status) ? "bad" : "busy";
  const load = pod.cpu === undefined || pod.cpu === null ? "" : `${pod.cpu}m CPU, ${bytes(pod.memory)}`;
  return el("li", { class: `pod ${kind}` },
    el("span", { class: "pod-name", title: [pod.name, pod.image, load].filter(Boolean).join("\n") }, pod.name.replace(`${owner}-`, "")),
    el("span", { class: "pod-state" }, good || pod.status !== "Running" ? pod.status : "Not ready"),
    pod.restarts ? el("span", { class: "faint", title: count(pod.restarts, "restart", "restarts") },
      el("span", { "aria-hidden": "true" }, `×${pod.restarts}`), el("span", { class: "hidden" }, count(pod.restarts, "restart", "restarts"))) : el("span", {}),
    el("span", { class: "faint pod-node" }, pod.node || "no node"));
}

function drawNode(node) {
  const words = [node.ready ? "" : "not ready", node.unschedulable ? "cordoned" : "", ...(node.conditions ?? [])].filter(Boolean);
  return el("li", { class: node.ready ? "" : "bad" },
    el("strong", {}, node.name), " ", words.length > 0 && el("span", { class: "state" }, words.join(", ")),
    el("span", { class: "faint" }, ` ${count(node.pods, "pod", "pods")}`),
    gauge(`CPU of ${node.name}`, node.cpu.used, node.cpu.of, `${Math.round(node.cpu.used)} of ${node.cpu.of} m CPU`),
    gauge(`Memory of ${node.name}`, node.memory.used, node.memory.of, `${bytes(node.memory.used)} of ${bytes(node.memory.of)}`));
}

function drawClaim(claim) {
  return el("li", {}, el("strong", {}, claim.name), el("span", { class: "faint" }, ` ${claim.namespace} · ${claim.phase}`),
    claim.capacity > 0 && gauge(`Fill of ${claim.name}`, claim.used, claim.capacity,
      `${bytes(claim.used)} of ${bytes(claim.capacity)}, ${Math.round((100 * claim.used) / claim.capacity)} %`));
}

function gauge(label, used, most, words) {
  return el("span", { class: "gauge" },
    el("meter", { "aria-label": label, min: 0, max: most || 1, value: Math.min(used, most), low: 0.75 * most, high: 0.9 * most, optimum: 0 }),
    el("span", { class: "faint" }, words));
}

function drawEvent(event) {
  return el("li", { class: `event ${event.type === "Warning" ? "bad" : ""}`, title: event.message },
    el("span", { class: "faint" }, `${event.time ? clock(Date.parse(event.time) / 1000) : ""} `),
    el("strong", {}, event.reason), ` ${event.object} `,
    event.count > 1 ? el("span", { class: "faint" }, `×${event.count} `) : "",
    el("span", { class: "faint" }, event.message));
}

const round = (number) => (number >= 10 || number === 0 ? String(Math.round(number)) : number.toFixed(1));

/** Bytes as 64 Mi, 1.5 Gi. */
export function bytes(number) {
  if (number === null || number === undefined) return "–";
  const units = ["B", "Ki", "Mi", "Gi", "Ti"];
  let place = 0;
  let left = number;
  while (left >= 1024 && place < units.length - 1) {
    left /= 1024;
    place += 1;
  }
  return `${left >= 10 || place === 0 ? Math.round(left) : left.toFixed(1)} ${units[place]}`;
}
