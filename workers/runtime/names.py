"""Names that may stand in a path: of categories and model versions. One rule, at every door."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

_MOST = 100  # characters
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{_MOST - 1}}}")
_ODD = re.compile(r"[^A-Za-z0-9._-]+")


def is_name(name: str) -> bool:
    """Whether a category or version can be called so."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """A category or version that can stand in a path. Raises ValueError."""
    if not is_name(name):
        near = _near(name)
        hint = f", for instance {near}" if near else ""
        raise ValueError(
            f"{name!r}: use letters, digits, dot, dash and underscore, at most {_MOST}, the first "
            f"a letter or digit{hint}"
        )
    return name


def _near(name: str) -> str:
    """What comes next to it: Metal_Nut for "Metal Nut"; empty if nothing does."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _ODD.sub("_", letters).strip("._-")[:_MOST]


Name = Annotated[
    str,
    AfterValidator(check_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _MOST}),
]
OptionalName = Annotated[str, AfterValidator(lambda name: check_name(name) if name else name)]
