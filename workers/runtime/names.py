"""Names that may stand in a path."""

import re

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_name(name: str) -> str:
    """A category or version that can stand in a path. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r}: use letters, digits, dot, dash and underscore, at most 100")
    return name
