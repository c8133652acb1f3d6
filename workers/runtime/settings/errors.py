"""What is wrong with a setting, in one line that shows no secret."""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic_core import ErrorDetails

from workers.runtime.secrets import HIDDEN, mask_url

ENV_PREFIX = "STREAM_INSPECTOR_"
ENV_DELIMITER = "__"
_BRANCH = re.compile(r"constrained-\w+|(literal|function-\w+|lax-or-strict|json-or-python)\[.*\]")


def redact(value: Any) -> Any:
    """The value as it may be shown: no secrets, no passwords inside URLs; plain data."""
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, BaseModel):
        return redact(value.model_dump(mode="json"))
    if isinstance(value, str):
        return mask_url(value)
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    if isinstance(value, Mapping):
        return {name: redact(item) for name, item in value.items()}
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


def explain_all(
    cls: type[BaseModel], problems: Sequence[ErrorDetails], origin: Origin
) -> list[str]:
    """A line for each setting that is wrong; of one that may be several things, all it may be."""
    by_place = dict[tuple[int | str, ...], ErrorDetails]()
    for problem in problems:
        place = _place(problem["loc"])
        known = by_place.get(place)
        said = _message(problem)
        if known and said not in known["msg"]:
            said = f"{known['msg']}; or: {said}"
        by_place[place] = {**problem, "loc": place, "msg": said}
    return [explain(cls, problem, origin) for problem in by_place.values()]


def _place(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Without the name that the library gives to one of the things that a setting may be."""
    last = location[-1:]
    return location[:-1] if last and _BRANCH.fullmatch(str(last[0])) else location


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
        return f"{where}: {_message(problem)}"
    given = HIDDEN if _secret(cls, problem["loc"]) else redact(problem["input"])
    return f"{where}: {_message(problem)} (given: {given!r})"


def _message(problem: ErrorDetails) -> str:
    return problem["msg"].removeprefix("Value error, ")


def _secret(cls: type[BaseModel], location: Sequence[int | str]) -> bool:
    """Whether the setting at a location must not be shown: a secret, or what may hold some."""
    model, annotation = cls, None
    for part in location:
        field = model.model_fields.get(str(part))
        if field is not None:
            annotation = field.annotation
            model = _model_in(annotation) or model
    return _holds_secret(annotation)


def _holds_secret(annotation: Any) -> bool:
    """Whether a type is that of a secret, or a section or mapping with one in it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.values()
        return any(_holds_secret(field.annotation) for field in fields)
    return annotation is SecretStr or any(map(_holds_secret, get_args(annotation)))


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
