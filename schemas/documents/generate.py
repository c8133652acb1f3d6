"""`python -m schemas.documents.generate`: writes json/*.json, asyncapi.yaml and samples/*.json.

The models are the source; a test fails when the files differ from what this writes.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from schemas.documents import samples
from schemas.documents.asyncapi import MESSAGES, document
from schemas.frame import encode_frame
from schemas.headers import DIALECT, frame_headers
from schemas.message import Message

HERE = Path(__file__).parents[1]
_BANNER = "# Written by `python -m schemas.documents.generate`; change the models, not this file.\n"


def files() -> dict[str, str]:
    """Every generated file, by its path under schemas/."""
    written = {f"json/{model.message_name}.json": _dump(json_schema(model)) for model in MESSAGES}
    written["json/frame-headers.json"] = _dump(frame_headers())
    written["asyncapi.yaml"] = _BANNER + yaml.safe_dump(document(), sort_keys=False, width=100)
    written["samples/frame.json"] = _dump(samples.as_record(encode_frame(samples.FRAME)))
    for name, message in samples.MESSAGES.items():
        written[f"samples/{name}.json"] = _dump(message.model_dump(mode="json"))
    return written


def json_schema(model: type[Message]) -> dict[str, Any]:
    """The JSON Schema 2020-12 of a message's value."""
    urn = f"urn:stream-inspector:{model.message_name}:{model.message_version}"
    return {"$schema": DIALECT, "$id": urn} | model.model_json_schema()


def _dump(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def write(root: Path = HERE) -> list[Path]:
    """Write the files that differ; returns them."""
    changed = []
    for name, text in files().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(path)
    return changed


if __name__ == "__main__":
    for path in write():
        sys.stdout.write(f"{path.relative_to(HERE.parent)}\n")
