"""JSON of others is read, or refused in one way."""

import pytest

from workers.runtime.json_text import parse


@pytest.mark.parametrize("text", [b"[" * 100_000, b"\xff", "", "{", b"1" * 5000])
def test_what_cannot_be_read_is_a_wrong_value(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)
    assert parse(b'{"a": [1]}') == {"a": [1]}
