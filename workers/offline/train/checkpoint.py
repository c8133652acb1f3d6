"""A training's state in one file, so that a killed training goes on where it stood.

One safetensors file: tensors by name, and as JSON in its header what is being trained. A file that
belongs to another training is refused, never overwritten.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from stream_inspector.errors import DataError

FILE = "checkpoint.safetensors"
_KEY = "training"


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """The state of the training that `identity` describes, as JSON types."""

    path: Path
    identity: Mapping[str, Any]

    def save(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the file: a kill in between leaves the old one whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f"{self.path.name}.partial")
        save_file(dict(tensors), partial, {_KEY: json.dumps(self.identity, sort_keys=True)})
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(self.path)

    def load(self) -> dict[str, Tensor]:
        """The state to go on from; empty when there is none.

        Raises DataError when the file is of another training, or unreadable.
        """
        if not self.path.exists():
            return {}
        try:
            with safe_open(self.path, framework="pt") as file:
                found = json.loads((file.metadata() or {})[_KEY])
            other = _differences(found, json.loads(json.dumps(self.identity)))
            if not other:
                return load_file(self.path)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise DataError(
                f"{self.path}: is no readable checkpoint ({error}); remove it to train anew"
            ) from error
        raise DataError(
            f"{self.path}: belongs to another training ({other}); give another --out to keep it, "
            "or remove it to train anew"
        )

    def remove(self) -> None:
        """The training is finished."""
        self.path.unlink(missing_ok=True)


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What differs, by name; with its values when they are short."""
    names = sorted(n for n in {*found, *wanted} if found.get(n) != wanted.get(n))
    return ", ".join(_difference(name, found.get(name), wanted.get(name)) for name in names)


def _difference(name: str, found: Any, wanted: Any) -> str:
    plain = all(isinstance(value, str | int | float | None) for value in (found, wanted))
    return f"{name} {found}, now {wanted}" if plain else f"other {name}"
