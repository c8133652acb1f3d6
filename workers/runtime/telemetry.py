"""Logs: how they are set up."""

import logging
import sys
from typing import Any

import structlog

from workers.runtime.settings import LogSettings

# The client repeats itself while a broker is away; our own adapters say it once, in our words.
_NOISY = ("kafka", "fsspec", "urllib3", "PIL", "onnx_ir", "onnxscript", "torch")
_TELLING = ("kafka.net", "kafka.protocol")  # at debug they print requests, passwords included


def setup_logging(settings: LogSettings, process: str) -> None:
    """Send structlog and the standard library's logging to standard error, in one format."""
    level = getattr(logging, settings.level.upper())

    def name_process(logger: Any, method: str, event: Any) -> Any:  # noqa: ARG001  (fixed by structlog)
        """On every thread, unlike context variables."""
        event["process"] = process
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        name_process,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    plain = structlog.dev.RichTracebackFormatter(show_locals=False)  # locals may hold secrets
    renderer: Any = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=plain
    )
    if settings.format == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL if level > logging.DEBUG else level)
    for name in _TELLING:
        logging.getLogger(name).setLevel(logging.INFO if level <= logging.DEBUG else logging.NOTSET)
