"""Names that may stand in a path."""

import re

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def is_name(name: str) -> bool:
    """Whether a category or version can be called so."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """A category or version that can stand in a path. Raises ValueError."""
    if not is_name(name):
        raise ValueError(f"{name!r}: use letters, digits, dot, dash and underscore, at most 100")
    return name
