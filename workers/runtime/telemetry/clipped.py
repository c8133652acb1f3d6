"""No line of the log grows with what a record, a file or a server says."""

from collections.abc import Mapping
from typing import Any

from schemas.excerpt import excerpt

_TEXT = 1000  # characters of one value
_TRACE_START, _TRACE_END = 4000, 12_000  # of a traceback: where it began, and what was raised
_VALUES = 50  # of a list or a mapping, and of a line
_DEPTH = 3
_TRACES = ("exception", "stack")


def clip(logger: Any, method: str, event: Any) -> Any:  # noqa: ARG001  (fixed by structlog)
    """A structlog processor, the last before the renderer: every value bounded and printable.

    What is no text and no number is shown as text. `exc_info` stays for the renderer.
    """
    kept = list(event.items())[:_VALUES]
    return {excerpt(str(name), 100): _clipped(name, value) for name, value in kept}


def _clipped(name: str, value: Any) -> Any:
    if name.startswith("_") or name == "exc_info":  # structlog's own
        return value
    if name in _TRACES and isinstance(value, str):
        return _trace(value)
    return _bounded(value, _DEPTH)


def _bounded(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= 64 else f"a number of {value.bit_length()} bits"
    if depth and isinstance(value, Mapping):
        return {
            excerpt(str(key), 100): _bounded(each, depth - 1)
            for key, each in list(value.items())[:_VALUES]
        }
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_bounded(each, depth - 1) for each in list(value)[:_VALUES]]
    return excerpt(value if isinstance(value, str) else repr(value), _TEXT)


def _trace(text: str) -> str:
    """A traceback keeps its lines."""
    if len(text) > _TRACE_START + _TRACE_END:
        left_out = len(text) - _TRACE_START - _TRACE_END
        text = f"{text[:_TRACE_START]}\n... {left_out} characters ...\n{text[-_TRACE_END:]}"
    return "\n".join(excerpt(line, len(line) * 10) for line in text.splitlines())
