"""A model's manifest as text, and the version that follows from it. Needs no torch.

The version is a digest of the manifest without its version; the manifest has a digest of every
tensor, so that it stands for the whole content.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from safetensors import deserialize

from stream_inspector.errors import ModelCorrupt

_WIDEST = 8  # bytes of a number
_HEADER = 4096  # bytes that say of a tensor where it is, at most
_TYPES = {  # of safetensors, as torch calls them
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
}


def canonical(manifest: Mapping[str, Any]) -> bytes:
    """The same manifest is always the same bytes."""
    return json.dumps(
        manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def version_of(manifest: Mapping[str, Any]) -> str:
    """16 hex digits over everything but the version itself."""
    content = {name: value for name, value in manifest.items() if name != "version"}
    return digest(canonical(content))[:16]


def stated_version(manifest: bytes) -> str | None:
    """The version that a manifest's content has; None when it is no manifest."""
    try:
        return version_of(json.loads(manifest))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def most_bytes(manifest: bytes) -> int | None:
    """More bytes than the file of the described tensors can have; None when it is not said."""
    try:
        tensors = json.loads(manifest)["tensors"].values()
        sizes: list[int] = [math.prod(each["shape"]) * _WIDEST + _HEADER for each in tensors]
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
    return sum(sizes) + _HEADER


def check_content(manifest: bytes, tensors: bytes) -> str:
    """The version of a model's two files. Raises ModelCorrupt when they do not fit together.

    Unlike `load_model` it takes models of any format, and says nothing of whether they work.
    """
    try:
        plain = json.loads(manifest)
        version, stated = version_of(plain), plain["version"]
        read: list[tuple[str, Any]] = deserialize(tensors)  # type: ignore[no-untyped-call]
        found = {name: _described(tensor) for name, tensor in read}
        expected = {name: dict(tensor) for name, tensor in plain["tensors"].items()}
    except Exception as error:  # safetensors raises its own and built-in errors
        raise ModelCorrupt(f"not the files of a model: {error!r}") from error
    if stated != version:
        raise ModelCorrupt(f"the manifest says version {stated}, its content is {version}")
    names = found.keys() | expected.keys()
    wrong = sorted(n for n in names if not _fits(expected.get(n), found.get(n)))
    if wrong:
        raise ModelCorrupt(f"tensors and manifest disagree on {', '.join(wrong[:3])}")
    return version


def _described(tensor: Mapping[str, Any]) -> dict[str, Any]:
    """As a manifest describes it."""
    kind = _TYPES.get(tensor["dtype"], tensor["dtype"])
    return {"dtype": kind, "shape": list(tensor["shape"]), "sha256": digest(tensor["data"])}


def _fits(stated: Mapping[str, Any] | None, found: Mapping[str, Any] | None) -> bool:
    """Whether a tensor is the one that is stated; manifests of old state less."""
    if stated is None or found is None or "sha256" not in stated:
        return False
    return all(found[name] == stated[name] for name in found.keys() & stated.keys())
