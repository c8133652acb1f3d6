"""Text from outside as people are shown it."""

import pytest

from schemas.envelope import unseal
from schemas.errors import SchemaError
from schemas.excerpt import excerpt


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bolts", "bolts"),
        ("gr\u00f6\u00dfe \u9f8d", "gr\u00f6\u00dfe \u9f8d"),
        ("a\x1b[31m\nb\x00", "a\\x1b[31m\\nb\\x00"),
        ("\u202eevil\ud800", "\\u202eevil\\ud800"),
        ("x" * 21, "x... (21 characters)"),
        ("\x00" * 20, "\\... (20 characters)"),
    ],
)
def test_it_is_printable_and_bounded(text: str, shown: str) -> None:
    found = excerpt(text, 20)
    assert found == shown
    assert found.isprintable()


@pytest.mark.parametrize(
    "headers",
    [
        [("ce_type", b"\x01" * 4_000_000)],
        [("ce_type", b"io.stream-inspector.frame.v" + b"9" * 4_000_000)],
        [("ce_type", b"io.stream-inspector.frame.v1"), ("ce_" + "x" * 4_000_000, b"\xff")],
    ],
)
def test_an_error_does_not_grow_with_what_it_quotes(headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(SchemaError) as raised:
        unseal(headers, b"", "frame")
    assert len(str(raised.value)) <= 500
