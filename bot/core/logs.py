"""Logs: one event name and fields, ids bound once, no credential in any line."""

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

Scrub = Callable[[str], str]


def set_up(form: Literal["json", "text"], scrub: Scrub) -> None:
    """Send our lines and those of libraries to standard error, each through `scrub`."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _scrubbed(scrub),
    ]
    last: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("bot", "tools", "__main__"):
        logging.getLogger(name).setLevel(logging.INFO)


def _scrubbed(scrub: Scrub) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    def process(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> EventDict:
        return {
            key: scrub(value)
            if isinstance(value, str) and key not in {"timestamp", "level"}
            else value
            for key, value in event.items()
        }

    return process
