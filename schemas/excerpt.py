"""Text from outside as people are shown it: one line, printable, never longer than said."""

_ENCODING = "unicode_escape"


def plain(text: str) -> str:
    r"""The whole text, with what cannot be printed written out: ESC as \x1b, a line break as \n."""
    return text if text.isprintable() else "".join(map(_shown, text))


def excerpt(text: str, most: int = 200) -> str:
    """At most `most` characters of a text, control characters and the like as escapes.

    What was cut is said: `abc... (4000000 characters)`.
    """
    shown = "".join(map(_shown, text[:most]))
    if len(text) <= most and len(shown) <= most:
        return shown
    said = f"... ({len(text)} characters)"
    return shown[: max(0, most - len(said))] + said


def _shown(character: str) -> str:
    return character if character.isprintable() else character.encode(_ENCODING).decode()
