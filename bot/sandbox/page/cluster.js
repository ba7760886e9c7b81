// The demo cluster beside the conversation: workloads, their pods, and what happened last.
import { arrange, clock, count, el } from "./dom.js";

const drawn = new Map();

/** Draw a picture of the cluster; a workload is redrawn only when it changed. */
export function drawCluster(root, cluster) {
  if (!cluster) return;
  const wanted = [];
  let namespace = null;
  for (const workload of [...cluster.deployments].sort(byName)) {
    if (workload.namespace !== namespace) {
      namespace = workload.namespace;
      const name = namespace;
      wanted.push(once(`ns ${name}`, name, () => el("h3", { class: "namespace" }, name)));
    }
    wanted.push(once(`w ${namespace}/${workload.name}`, JSON.stringify(workload), () => drawWorkload(workload)));
  }
  wanted.push(once("events", JSON.stringify(cluster.events), () => drawEvents(cluster.events)));
  arrange(root, wanted);
}

const byName = (a, b) => (a.namespace + "/" + a.name).localeCompare(b.namespace + "/" + b.name);

function once(key, known, draw) {
  const had = drawn.get(key);
  if (had?.known === known) return had.node;
  const node = draw();
  if (had) node.classList.add("changed");
  drawn.set(key, { known, node });
  return node;
}

function drawWorkload(workload) {
  const well = workload.settled;
  return el("section", { class: `workload ${well ? "well" : "unwell"}`, "aria-label": `deployment ${workload.name}` },
    el("h4", {},
      el("span", {}, workload.name),
      el("span", { class: "ready" }, `${workload.ready}/${workload.desired} ready`)),
    el("p", { class: "faint" }, `${workload.images.join(", ")} · revision ${workload.revision || "–"}`),
    !well && el("p", { class: "state" }, `not settled: ${workload.updated} of ${workload.desired} updated`),
    el("ul", { class: "pods" }, workload.pods.map((pod) => drawPod(pod, workload.name))));
}

function drawPod(pod, owner) {
  const [ready, all] = pod.ready.split("/");
  const good = pod.status === "Running" && ready === all;
  const kind = good ? "good" : /crash|error|oom|back|fail|invalid/i.test(pod.status) ? "bad" : "busy";
  return el("li", { class: `pod ${kind}` },
    el("span", { class: "pod-name", title: pod.name }, pod.name.replace(`${owner}-`, "")),
    el("span", { class: "pod-state" }, good || pod.status !== "Running" ? pod.status : "Not ready"),
    el("span", { class: "faint", title: count(pod.restarts, "restart", "restarts") }, pod.restarts ? `×${pod.restarts}` : ""));
}

function drawEvents(events) {
  return el("details", { class: "events", open: true }, el("summary", {}, "Newest events"),
    el("ul", {}, events.map((event) => el("li", { class: event.type === "Warning" ? "bad" : "", title: event.message },
      el("span", { class: "faint" }, `${event.time ? clock(Date.parse(event.time) / 1000) : ""} `),
      el("strong", {}, event.reason), ` ${event.object} `,
      event.count > 1 ? el("span", { class: "faint" }, `×${event.count} `) : "",
      el("span", { class: "faint" }, event.message)))));
}
