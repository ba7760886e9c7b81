"""The names of all metrics: README's table and what `/metrics` shows are both made from here."""

from dataclasses import dataclass
from typing import Literal

HEAD = ("Metric", "Type", "Labels", "Meaning")


@dataclass(frozen=True)
class Metric:
    """One metric; a counter's name ends in `_total`. Labels never name a person, channel or
    thread.
    """

    name: str
    type: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()


_SHORT = (0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_LONG = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

# Counters and histograms are this process's own: sum them over replicas. Where the meaning says "in
# the database", every replica shows the same figure: take the maximum.
METRICS = (
    Metric("countersign_build_info", "gauge", ("version", "python"), "Always 1."),
    Metric("countersign_runs_started_total", "counter", ("kind",), "Runs begun here."),
    Metric(
        "countersign_runs_ended_total",
        "counter",
        ("kind", "outcome"),
        "Runs ended here: done, failed, refused (who asked may not), stopped.",
    ),
    Metric(
        "countersign_run_duration_seconds",
        "histogram",
        ("kind",),
        "From the message to the run's end, waiting for people included.",
        _LONG,
    ),
    Metric(
        "countersign_run_work_seconds",
        "histogram",
        ("kind",),
        "A run's own work: neither waiting for people nor verifying.",
        _LONG,
    ),
    Metric(
        "countersign_first_sign_seconds",
        "histogram",
        (),
        "From the message to the noted progress message, of runs that had one.",
        _SHORT,
    ),
    Metric(
        "countersign_decision_to_execution_seconds",
        "histogram",
        (),
        "From the last decision that changes waited for to the first that began.",
        _SHORT,
    ),
    Metric(
        "countersign_calls_total",
        "counter",
        ("tool", "kind", "state"),
        "Calls of runs that ended here, by their state then.",
    ),
    Metric(
        "countersign_decisions_total", "counter", ("vote",), "Votes on calls of runs ended here."
    ),
    Metric(
        "countersign_votes_refused_total",
        "counter",
        ("reason",),
        "Votes of runs ended here that did not count, by why.",
    ),
    Metric("countersign_open_calls", "gauge", (), "Changes that wait for people, in the database."),
    Metric("countersign_model_calls_total", "counter", ("model",), "Model calls, failed included."),
    Metric("countersign_model_errors_total", "counter", ("model",), "Model calls that failed."),
    Metric(
        "countersign_model_retries_total",
        "counter",
        ("model",),
        "Times that a model failed and was asked again, or the next one was.",
    ),
    Metric(
        "countersign_model_tokens_total",
        "counter",
        ("model", "direction"),
        "Tokens: input, of which cached, and output.",
    ),
    Metric(
        "countersign_model_cost_dollars_total",
        "counter",
        ("model",),
        "US dollars, of models whose price is known.",
    ),
    Metric(
        "countersign_model_call_seconds", "histogram", ("model",), "How long calls took.", _LONG
    ),
    Metric("countersign_outbox_pending", "gauge", (), "Messages not yet said, in the database."),
    Metric(
        "countersign_outbox_oldest_seconds", "gauge", (), "The oldest one's age, in the database."
    ),
    Metric("countersign_outbox_sent_total", "counter", ("kind",), "Messages said by this sender."),
    Metric(
        "countersign_outbox_failed_total", "counter", ("kind",), "Messages that Slack never takes."
    ),
    Metric(
        "countersign_slack_calls_total",
        "counter",
        ("method", "outcome"),
        "Web API calls: ok, limited (429), refused, uncertain (no clear answer).",
    ),
    Metric("countersign_sockets_connected", "gauge", (), "Sockets that Slack can send to."),
    Metric("countersign_jobs", "gauge", ("state",), "waiting, doing, stalled, in the database."),
    Metric(
        "countersign_database_pool_connections",
        "gauge",
        ("pool", "state"),
        "Connections: open, idle; and requests waiting for one.",
    ),
    Metric(
        "countersign_database_connections",
        "gauge",
        ("state",),
        "Of the whole server: allowed, and had by others than us.",
    ),
    Metric("countersign_database_bytes", "gauge", (), "How large the database is."),
    Metric(
        "countersign_table_bytes",
        "gauge",
        ("table",),
        "How large each table is with its indexes, in the database.",
    ),
    Metric(
        "countersign_table_rows",
        "gauge",
        ("table", "state"),
        "Rows, as the server estimates: live, and dead until it has cleaned up.",
    ),
    Metric("countersign_database_up", "gauge", (), "1 when the last look at the database worked."),
    Metric("countersign_redis_up", "gauge", (), "1 when Redis answers; absent without REDIS_URL."),
    Metric(
        "countersign_event_loop_lag_seconds",
        "histogram",
        (),
        "How late a timer of this process came.",
        (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3),
    ),
    Metric(
        "countersign_scrape_errors_total",
        "counter",
        ("source",),
        "Looks that failed while answering /metrics; its gauges are NaN then.",
    ),
)
"""Beside these, prometheus-client's own `process_*`: CPU seconds, memory, files, start time."""


def rows() -> list[tuple[str, str, str, str]]:
    """The table as README shows it, under `HEAD`."""
    return [
        (f"`{m.name}`", m.type, ", ".join(f"`{label}`" for label in m.labels), m.meaning)
        for m in METRICS
    ]
