"""What is wrong, and why: one diagnosis of a workload, a namespace, a node or the whole cluster.

The walk: `snapshot` is what was read of the cluster; `needs` says, by what is known so far, what to
read next (a kind or a log that no symptom points to is never read); `reader` reads it, a round at a
time; `analyzers` are pure functions from a snapshot to clues; `ranking` folds what is only a
consequence into its cause; `report` says it, to people and as data.

As data: {"healthy": bool, "findings": [{"object": "deployment/checkout", "namespace": "shop",
"cause": "crash", "text": "…", "confidence": "high|medium|low", "evidence": ["…"], "effects":
["…"], "ruled_out": ["…"], "alternative": "…", "change": {"tool": "k8s_rollout_undo", "arguments":
{…}} | null}], "notices": ["…"], "not_checked": ["…"], "checked": ["…"]}, the most likely cause
first, the same for the same cluster.

`object` is the workload that a person would mend, else the object itself (a service, a claim, a
node). The vocabulary of `cause` is closed: see `causes.Cause`.
"""
