"""The decoders of a command that reads image files: one set, its processes started when needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from workers.runtime.decoders.picture import Rules
from workers.runtime.decoders.pool import Decoders
from workers.runtime.host.control_group import whole_processors

THREADS = 4  # that read files
_current: ContextVar[Decoders] = ContextVar("decoders")


@contextmanager
def decoding_by(rules: Rules) -> Iterator[None]:
    """Inside, `current` decodes by these rules."""
    with _decoders(rules) as decoders:
        before = _current.set(decoders)
        try:
            yield
        finally:
            _current.reset(before)


def current() -> Decoders:
    """This command's decoders; outside of a command some with the default rules."""
    return _current.get(None) or _default()


@cache
def _default() -> Decoders:
    return _decoders(Rules())


def _decoders(rules: Rules) -> Decoders:
    return Decoders(min(THREADS, whole_processors()), rules)
