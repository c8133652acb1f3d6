"""What can be wrong with a message on the wire.

SchemaError            the message is not what its topic promises; poison, never retried
├── MissingAttribute   a required CloudEvents attribute (Kafka header) is absent
├── InvalidAttribute   an attribute is present but not usable
└── UnsupportedVersion the major version is newer than this code
"""

from schemas.excerpt import excerpt

_MOST = 500  # characters of an error: it quotes the message, which may say anything
_QUOTED = 80  # characters


def quoted(text: str) -> str:
    """Text of a record for an error: in quotes, without control characters, of bounded length."""
    return f"'{excerpt(text, _QUOTED)}'"


class SchemaError(ValueError):
    """A message that does not keep the contract. `reason` is the stable code of the dead letter."""

    reason = "invalid-message"

    def __init__(self, message: str) -> None:
        super().__init__(excerpt(message, _MOST))


class MissingAttribute(SchemaError):
    """A required header is absent."""

    reason = "missing-header"


class InvalidAttribute(SchemaError):
    """A header or field has an unusable value."""

    reason = "invalid-header"


class UnsupportedVersion(SchemaError):
    """The message's major schema version is not known here."""

    reason = "unsupported-version"
