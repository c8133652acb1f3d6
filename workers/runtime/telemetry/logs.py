"""Logs: one format for ours and other libraries', levels by module, the process's ids on each line.

JSON lines have: event, level, timestamp, logger, process, the process's ids (worker), and what is
bound where the line is written (frame, camera, category, batch, alarm).
"""

import logging
import sys
import textwrap
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import structlog

from workers.runtime.host.terminal import lines
from workers.runtime.secrets import conceal
from workers.runtime.settings.process import TELLING_LOGGERS, LogSettings
from workers.runtime.telemetry.clipped import clip
from workers.runtime.telemetry.lines import LINES, unfailing
from workers.runtime.telemetry.repeats import LimitForeign, Repeats, limit, tell_foreign

# The client repeats itself while a broker is away; our own adapters say it once, in our words.
_NOISY = ("kafka", "fsspec", "urllib3", "PIL", "torch")


class _Named:
    """Writes to standard error and knows the module that it speaks for."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def msg(self, message: str) -> None:
        """Write a line."""
        LINES.write(message)

    log = debug = info = warn = warning = error = critical = exception = fatal = failure = msg


class _Handler(logging.Handler):
    """The same for other libraries."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a line; what is wrong with it costs the line only."""
        try:
            return bool(super().handle(record))
        except Exception as error:
            LINES.lose(error)
            return False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        LINES.write(self.format(record))


class _Levels:
    """Drops what is below its module's level: the longest name that fits decides."""

    def __init__(self, settings: LogSettings) -> None:
        self._levels = {name: number(level) for name, level in settings.levels.items()}
        self._default = number(settings.level)
        self.lowest = min([self._default, *self._levels.values()])

    def __call__(self, logger: Any, method: str, event: Any) -> Any:
        """A structlog processor."""
        event["logger"] = logger.name
        if number(method) < self._of(logger.name):
            raise structlog.DropEvent
        return event

    def _of(self, name: str) -> int:
        while name:
            if name in self._levels:
                return self._levels[name]
            name = name.rpartition(".")[0]
        return self._default


def number(level: str) -> int:
    """A level's number in the standard library; an exception is an error."""
    return int(getattr(logging, level.upper(), logging.ERROR))


def setup_logging(
    settings: LogSettings, process: str, ids: Mapping[str, str] | None = None
) -> Callable[[], None]:
    """Send structlog and the standard library's logging to standard error, in one format.

    `ids` are on each line. Returns what to call at the end: it tells what was left out.
    """
    named = {"process": process, **(ids or {})}

    def name_process(logger: Any, method: str, event: Any) -> Any:  # noqa: ARG001  (fixed by structlog)
        """On every thread, unlike context variables."""
        return {**named, **event}

    levels, repeats = _Levels(settings), Repeats(settings.repeats)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        name_process,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render = _concealing(_renderer(settings, shared))
    structlog.configure(
        processors=[levels, limit(repeats), *shared, render],
        wrapper_class=unfailing(structlog.make_filtering_bound_logger(levels.lowest)),
        logger_factory=_Named,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[*(structlog.stdlib.ProcessorFormatter.remove_processors_meta, render)],
        foreign_pre_chain=[tell_foreign, *shared],
    )
    _setup_libraries(settings, formatter, repeats)
    return lambda: _tell(repeats.rest())


def _renderer(settings: LogSettings, shared: list[Any]) -> Any:
    if settings.format == "json":
        shared += [structlog.processors.format_exc_info, clip]
        return structlog.processors.JSONRenderer()
    shared.append(clip)
    colours = sys.stderr is not None and sys.stderr.isatty()
    return structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=_trace)


def _trace(stream: TextIO, raised: Any) -> None:
    """A traceback without locals, which may hold secrets; no line of it looks like one of ours."""
    told = lines(conceal("".join(traceback.format_exception(*raised)).rstrip()))
    stream.write(textwrap.indent(told, "    "))


def _concealing(renderer: Any) -> Any:
    """Other libraries name URLs, passwords and all; so may the text of an exception."""
    return lambda logger, method, event: conceal(renderer(logger, method, event))


def _setup_libraries(settings: LogSettings, formatter: logging.Formatter, repeats: Repeats) -> None:
    level = number(settings.level)
    handler = _Handler()
    handler.setFormatter(formatter)
    handler.addFilter(LimitForeign(repeats))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL if level > logging.DEBUG else level)
    for name in TELLING_LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET)
    for name, wanted in settings.levels.items():
        logging.getLogger(name).setLevel(number(wanted))
    for name in TELLING_LOGGERS:
        if logging.getLogger(name).getEffectiveLevel() < logging.INFO:
            logging.getLogger(name).setLevel(logging.INFO)


def _tell(rest: Mapping[str, int]) -> None:
    if rest:
        structlog.get_logger(__name__).info("repeated lines were left out", **rest)
