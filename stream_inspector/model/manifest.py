"""A model's manifest as text, and the version that follows from it. Needs no torch.

The version is a digest of the manifest without its version; the manifest has a digest of every
tensor, so that it stands for the whole content.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from safetensors import deserialize

from stream_inspector.errors import ModelCorrupt


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


def check_content(manifest: bytes, tensors: bytes) -> str:
    """The version of a model's two files. Raises ModelCorrupt when they do not fit together.

    Unlike `load_model` it takes models of any format, and says nothing of whether they work.
    """
    try:
        plain = json.loads(manifest)
        version, stated = version_of(plain), plain["version"]
        read: list[tuple[str, Any]] = deserialize(tensors)  # type: ignore[no-untyped-call]
        found = {name: digest(tensor["data"]) for name, tensor in read}
        expected = {name: tensor["sha256"] for name, tensor in plain["tensors"].items()}
    except Exception as error:  # safetensors raises its own and built-in errors
        raise ModelCorrupt(f"not the files of a model: {error!r}") from error
    if stated != version:
        raise ModelCorrupt(f"the manifest says version {stated}, its content is {version}")
    wrong = sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
    if wrong:
        raise ModelCorrupt(f"tensors and manifest disagree on {', '.join(wrong[:3])}")
    return version
