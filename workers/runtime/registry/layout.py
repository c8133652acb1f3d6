"""Where what lies in the model store.

models/<version>/manifest.json, tensors.safetensors     one version
models/<version>/digests.json                           of the two; written last
models/<version>/claims/<id>.json, collecting.json      who is at it now: see `claimed`
models/<version>/engines/<id>.json                      fastest engine on one kind of machine
categories/<category>/versions/<version>.json           which versions a category has
categories/<category>/activations/<number>.json         the switchboard and its history
aside/<name as it was>                                  broken records that verify moved away
collected/<version>.json                                what `model gc` removed, when, by whom
"""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from workers.runtime.names import is_name

MANIFEST, TENSORS, DIGESTS = "manifest.json", "tensors.safetensors", "digests.json"


def model_file(version: str, name: str) -> str:
    """A blob of a version."""
    return f"models/{version}/{name}"


def collecting_file(version: str) -> str:
    """gc's mark on a version."""
    return model_file(version, "collecting.json")


def version_file(category: str, version: str) -> str:
    """What says that a category has a version."""
    return f"categories/{category}/versions/{version}.json"


def activation_file(category: str, number: int) -> str:
    """One activation."""
    return f"categories/{category}/activations/{number:08d}.json"


def activations_folder(category: str) -> str:
    """Where a category's activations are."""
    return f"categories/{category}/activations/"


def activation_numbers(category: str, names: Iterable[str]) -> list[int]:
    """The numbers of the activations among blobs, ascending.

    Whatever else lies there (an editor's copy, a file of the operating system, another number of
    digits) is none.
    """
    pattern = re.compile(rf"{re.escape(activations_folder(category))}([0-9]{{8,18}})\.json")
    found = [(int(match[1]), match[0]) for match in map(pattern.fullmatch, names) if match]
    return sorted(n for n, name in found if n and name == activation_file(category, n))


def versions_in(category: str, names: Iterable[str]) -> list[str]:
    """The versions of a category among blobs, sorted."""
    folder = f"categories/{category}/versions/"
    stems = [n.removeprefix(folder).removesuffix(".json") for n in names if n.endswith(".json")]
    return sorted(stem for stem in stems if is_name(stem))


def named_in(names: Iterable[str], *, depth: int) -> list[str]:
    """What the folders below the first one are called, of blobs that lie so deep; sorted."""
    parts = [name.split("/") for name in names]
    return sorted({each[1] for each in parts if len(each) >= depth and is_name(each[1])})


def aside_file(name: str) -> str:
    """Where a broken record is moved to."""
    return f"aside/{name}"


def claims_folder(version: str) -> str:
    """Where those leave a claim who push or activate a version right now."""
    return model_file(version, "claims/")


def choices_folder(version: str) -> str:
    """Where it says what scores a version fastest."""
    return model_file(version, "engines/")


def choice_file(version: str, machine: str) -> str:
    """... on machines of one kind."""
    return f"{choices_folder(version)}{machine}.json"


def record_file(version: str) -> str:
    """What gc says of a version that it removed."""
    return f"collected/{version}.json"


def dump(value: dict[str, Any]) -> bytes:
    """A small JSON blob."""
    return json.dumps(value, sort_keys=True).encode()


def now() -> str:
    """ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
