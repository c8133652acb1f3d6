"""Who the part is that a frame shows, as far as its camera, a scanner or the line knows.

In a frame's headers, then in every message that speaks of the frame. What cannot be used is left
out and named: it must not cost the inspection.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from schemas.message import WireModel

TEXTS = ("id", "serial", "lot", "recipe", "shift", "view")
MOST_TEXT, MOST_ATTRIBUTES, MOST_NAME = 128, 16, 32  # characters, attributes, characters
MOST_BYTES = 2048  # of all of it as JSON: an alarm lists twenty parts
_MOST_HEADER = 8192  # characters of the attributes' header
_HEADERS = {name: "part" if name == "id" else name for name in TEXTS}
_ATTRIBUTES = "attributes"
HEADERS = (*_HEADERS.values(), _ATTRIBUTES)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("characters that cannot be printed")
    return text


PartText = Annotated[str, AfterValidator(_printable), Field(min_length=1, max_length=MOST_TEXT)]
AttributeName = Annotated[str, Field(pattern=rf"^[A-Za-z0-9_.-]{{1,{MOST_NAME}}}$")]


class PartRef(WireModel):
    """Who a part is. All of it is what the line says, and nothing is made up."""

    id: PartText | None = Field(
        default=None,
        description="the part's id, the same in all its frames; of a counter its number; null: "
        "not said",
    )
    serial: PartText | None = Field(
        default=None, description="its serial number, as marked on it; null: not said"
    )
    lot: PartText | None = Field(
        default=None, description="the lot or batch that it belongs to; null: not said"
    )
    recipe: PartText | None = Field(
        default=None, description="what the machine was set to; null: not said"
    )
    shift: PartText | None = Field(default=None, description="who worked, or when; null: not said")
    view: PartText | None = Field(
        default=None,
        description="which of several pictures of the part this frame is; null: not said",
    )
    attributes: dict[AttributeName, PartText] = Field(
        default_factory=dict,
        max_length=MOST_ATTRIBUTES,
        description=f"anything else, name -> text; at most {MOST_ATTRIBUTES}, names of at most "
        f"{MOST_NAME} characters A-Z a-z 0-9 _ . -",
    )
    dropped: list[str] = Field(
        default_factory=list,
        max_length=len(TEXTS) + 1,
        description="what was said and could not be used: too long, not printable, too many",
    )

    def said(self) -> dict[str, str]:
        """Everything that is said, name -> text; attributes under their own names."""
        texts = {name: getattr(self, name) for name in TEXTS}
        return self.attributes | {name: text for name, text in texts.items() if text}

    def without_view(self) -> "PartRef":
        """The part itself, of whichever frame."""
        return self.model_copy(update={"view": None})


def part_of(said: Mapping[str, Any], attributes: Mapping[str, Any] | None = None) -> PartRef | None:
    """What can be used of what is said; None where nothing is said. Never raises."""
    texts = {name: said[name] for name in TEXTS if said.get(name) not in (None, "")}
    good = {name: str(text) for name, text in texts.items() if _is_text(text)}
    dropped = [name for name in texts if name not in good]
    kept, whole = _kept(attributes or {}, room=MOST_BYTES - _bytes(good))
    if not whole:
        dropped.append(_ATTRIBUTES)
    if not (good or kept or dropped):
        return None
    return PartRef(**good, attributes=kept, dropped=dropped)


def headers_of(part: PartRef | None) -> dict[str, str | None]:
    """The CloudEvents attributes of a frame that say who its part is."""
    if part is None:
        return {}
    texts = {header: getattr(part, name) for name, header in _HEADERS.items()}
    kept = part.attributes
    return texts | {_ATTRIBUTES: json.dumps(kept, ensure_ascii=False) if kept else None}


def part_in(headers: Mapping[str, Any]) -> PartRef | None:
    """Who the part is, by the attributes of its frame. Never raises."""
    texts = {name: headers.get(header) for name, header in _HEADERS.items()}
    found = headers.get(_ATTRIBUTES)
    attributes = {} if found in (None, "") else _parsed(str(found))
    part = part_of(texts, attributes)
    if attributes is not None:
        return part
    lost = (part or PartRef()).dropped
    return (part or PartRef()).model_copy(update={"dropped": [*lost, _ATTRIBUTES]})


def _parsed(text: str) -> dict[str, Any] | None:
    """A JSON object; None where it is none."""
    try:
        found = json.loads(text) if len(text) <= _MOST_HEADER else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _kept(attributes: Mapping[str, Any], room: int) -> tuple[dict[str, str], bool]:
    """Those that can be used, the first ones where they are too many; and whether that is all."""
    kept: dict[str, str] = {}
    for name, value in attributes.items():
        text = _as_text(value)
        fits = _is_name(name) and _is_text(text) and len(kept) < MOST_ATTRIBUTES
        if fits and _bytes(kept | {name: str(text)}) <= room:
            kept[name] = str(text)
    return kept, len(kept) == len(attributes)


def _as_text(value: Any) -> Any:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value}" if plain else value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MOST_TEXT and value.isprintable()


def _is_name(name: Any) -> bool:
    plain = isinstance(name, str) and 0 < len(name) <= MOST_NAME and name.isascii()
    return plain and all(each.isalnum() or each in "_.-" for each in name)


def _bytes(texts: Mapping[str, str]) -> int:
    return len(json.dumps(texts, ensure_ascii=False).encode())
