"""The settings themselves: read already; here what a class cannot know."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from workers.doctor.findings import Finding, failed, ok, or_ok, warning
from workers.runtime.categories import Category
from workers.runtime.settings.process import ProcessSettings, flatten, read_yaml


def check_read(settings: ProcessSettings, file: Path | None) -> list[Finding]:
    """They were read, or we would not be here."""
    count = len(list(flatten(settings)))
    where = f"from {file}, " if file else ""
    return [ok(f"{count} settings, {where}environment and flags")]


def check_files(settings: ProcessSettings) -> list[Finding]:
    """Certificates and secrets can be read and are not empty."""
    files = list(_files(settings))
    return or_ok((_readable(path, file) for path, file in files), f"{len(files)} files readable")


def check_secrets(settings: ProcessSettings, file: Path | None) -> list[Finding]:
    """Secrets do not stand in the YAML file."""
    content = read_yaml(file) if file else {}
    inside = [path for path in _secrets(settings) if _given(content, path)]
    advice = "move it to the environment or to a file of its own"
    problems = (warning(f"{path} stands in {file}", advice, path) for path in inside)
    return or_ok(problems, "no secret stands in the settings file")


def check_folder(folder: Path, setting: str) -> list[Finding]:
    """A folder that the process writes to."""
    nearest = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        says = f"{folder} cannot be written"
        return [failed(says, "mount a volume there that this user may write to", setting)]
    return [ok(f"{folder} can be written")]


def check_masks(categories: Mapping[str, Category]) -> list[Finding]:
    """The categories' files are right, and their masks are there."""
    problems = (
        failed(f"{each.name}: {each.mask} is not there", "put the mask beside its file", "view")
        for each in categories.values()
        if isinstance(each.mask, Path) and not each.mask.is_file()
    )
    return or_ok(problems, ", ".join(sorted(categories)))


def _files(settings: BaseModel, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Settings whose name ends in _file, and which are given: all of them are read, not written."""
    for path, value in flatten(settings, prefix):
        if path.endswith("_file") and isinstance(value, Path):
            yield path, value


def _readable(path: str, file: Path) -> Finding | None:
    try:
        content = file.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return failed(f"{file}: {reason}", "mount the file, or let this user read it", path)
    if not content.strip():
        return failed(f"{file} is empty", "put the secret into it", path)
    return None


def _secrets(model: BaseModel, prefix: str = "") -> Iterator[str]:
    for name in type(model).model_fields:
        value, path = getattr(model, name), f"{prefix}{name}"
        if isinstance(value, BaseModel):
            yield from _secrets(value, f"{path}.")
        elif isinstance(value, SecretStr) or _list_of_secrets(value):
            yield path


def _list_of_secrets(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, SecretStr) for each in value)


def _given(content: Any, path: str) -> bool:
    for part in path.split("."):
        if not isinstance(content, Mapping) or part not in content:
            return False
        content = content[part]
    return bool(content)
