"""What is wrong with a setting, in one line that shows no secret."""

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, SecretStr
from pydantic_core import ErrorDetails

ENV_PREFIX = "STREAM_INSPECTOR_"
ENV_DELIMITER = "__"


def redact(value: Any) -> Any:
    """The value as it may be shown: no secrets, no passwords inside URLs."""
    if isinstance(value, SecretStr):
        return "***"
    if isinstance(value, str) and "@" in value and "://" in value:
        parts = urlsplit(value)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"***@{host}"))
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value


class Origin:
    """Where a setting came from, for messages."""

    def __init__(self, file: Path | None, content: dict[str, Any], flags: Mapping[str, Any]):
        self._file, self._content, self._flags = file, content, flags

    def of(self, path: str) -> str:
        """Flags, the variable or the file that gave the setting at `path`."""
        variable = ENV_PREFIX + path.replace(".", ENV_DELIMITER).upper()
        if any(path == flag or path.startswith(f"{flag}.") for flag in self._flags):
            return "flags"
        if any(name.upper() == variable for name in os.environ):
            return f"environment {variable}"
        return f"{self._file}" if self._file else "settings"


def explain(cls: type[BaseModel], problem: ErrorDetails, origin: Origin) -> str:
    """One line: where the setting came from, its path, what is wrong, and what is allowed."""
    path = ".".join(str(part) for part in problem["loc"])
    where = f"{origin.of(path)}: {path}"
    if problem["type"] == "extra_forbidden":
        allowed = _siblings(cls, problem["loc"])
        near = difflib.get_close_matches(str(problem["loc"][-1]), allowed, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        return f"{where}: unknown key.{hint} Allowed: {', '.join(allowed)}"
    if isinstance(problem["input"], Mapping):  # a whole section, with what is secret in it
        return f"{where}: {problem['msg'].removeprefix('Value error, ')}"
    given = "***" if _secret(cls, problem["loc"]) else redact(problem["input"])
    return f"{where}: {problem['msg']} (given: {given!r})"


def _secret(cls: type[BaseModel], location: Sequence[int | str]) -> bool:
    """Whether the setting at a location must not be shown."""
    model, annotation = cls, None
    for part in location:
        field = model.model_fields.get(str(part))
        if field is not None:
            annotation = field.annotation
            model = _model_in(annotation) or model
    return SecretStr in (annotation, *get_args(annotation))


def _siblings(cls: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The keys that are allowed beside the last part of a location."""
    model = cls
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        nested = _model_in(field.annotation) if field else None
        if nested is None:
            continue  # a list index or a mapping key: stay at this level
        model = nested
    return sorted(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model class inside an annotation such as `list[Camera]` or `Camera | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
