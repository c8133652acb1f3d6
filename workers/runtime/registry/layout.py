"""Where what lies in the model store.

models/<version>/manifest.json, tensors.safetensors     one version
models/<version>/digests.json                           of the two; written last
models/<version>/claims/<id>.json, collecting.json      who is at it now: see `claimed`
categories/<category>/versions/<version>.json           which versions a category has
categories/<category>/activations/<number>.json         the switchboard and its history
collected/<version>.json                                what `model gc` removed, when, by whom
"""

import json
from datetime import UTC, datetime
from typing import Any

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


def claims_folder(version: str) -> str:
    """Where those leave a claim who push or activate a version right now."""
    return model_file(version, "claims/")


def record_file(version: str) -> str:
    """What gc says of a version that it removed."""
    return f"collected/{version}.json"


def dump(value: dict[str, Any]) -> bytes:
    """A small JSON blob."""
    return json.dumps(value, sort_keys=True).encode()


def now() -> str:
    """ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
