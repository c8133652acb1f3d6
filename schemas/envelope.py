"""CloudEvents 1.0 in the Kafka binding's binary mode: attributes in headers, data in the value.

A type's last part is the major schema version (`...frame.v1`); the minor version stands in
`dataschema`. A newer minor version is readable by contract; a newer major version is refused.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from schemas.errors import InvalidAttribute, MissingAttribute, UnsupportedVersion, quoted

TYPE_PREFIX = "io.stream-inspector"
JSON_CONTENT_TYPE = "application/json"

_REQUIRED_HEADERS = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time")

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class WireMessage:
    """A Kafka record's content, free of any client library."""

    key: bytes | None
    value: bytes
    headers: Headers


def event_type(name: str, major: int = 1) -> str:
    """The CloudEvents type of a message, for instance `io.stream-inspector.frame.v1`."""
    return f"{TYPE_PREFIX}.{name}.v{major}"


def schema_uri(name: str, version: str) -> str:
    """The `dataschema` attribute: names the schema with its minor version."""
    return f"urn:stream-inspector:{name}:{version}"


def seal(attributes: Mapping[str, Any], data: bytes) -> WireMessage:
    """Put attributes and data into a Kafka record. `partitionkey` becomes the record's key."""
    given = {name: value for name, value in attributes.items() if value is not None}
    message = to_binary(CloudEvent(given, data), JSONFormat())
    key = message.key.encode() if isinstance(message.key, str) else message.key
    return WireMessage(key=key, value=data, headers=tuple(message.headers.items()))


def unseal(
    headers: Iterable[tuple[str, bytes | None]], name: str, wanted: Collection[str] = ()
) -> dict[str, Any]:
    """Read the attributes of a record that should hold a message called `name`.

    Those that CloudEvents requires are there; of the `wanted` ones those that are not empty, with
    bytes that are no UTF-8 as surrogates, for the reader to judge. All others are dropped.
    Raises MissingAttribute, InvalidAttribute or UnsupportedVersion; nothing else.
    """
    extras = {_header(attribute): attribute for attribute in wanted}
    found = _chosen(headers, {*_REQUIRED_HEADERS, *extras})
    _require_type(found, name)
    required = {header: found.get(header, b"") for header in _REQUIRED_HEADERS}
    for header, data in required.items():  # the SDK would invent some of them
        _require_text(header, data)
    try:
        event = from_binary(KafkaMessage(required, None, b""), _OpaqueFormat(), CloudEvent)
    except BaseCloudEventException as error:
        raise InvalidAttribute(_explain(error)) from error
    except (ValueError, OverflowError) as error:  # the SDK parses the time
        shown = quoted(required["ce_time"].decode())
        raise InvalidAttribute(f"header ce_time cannot be read: {shown}") from error
    read = {
        attribute: found[header].decode("utf-8", "surrogateescape")
        for header, attribute in extras.items()
        if found.get(header)
    }
    return read | dict(event.get_attributes())


def _header(attribute: str) -> str:
    return "content-type" if attribute == "datacontenttype" else f"ce_{attribute}"


def _chosen(
    headers: Iterable[tuple[str, bytes | None]], names: Collection[str]
) -> dict[str, bytes]:
    """The headers of these names; of repeated ones the last that is text counts."""
    chosen: dict[str, bytes] = {}
    for header, data in headers:
        if header in names and (header not in chosen or _is_text(data)):
            chosen[header] = data or b""
    return chosen


def _is_text(data: bytes | None) -> bool:
    try:
        return bool(data and data.decode())
    except UnicodeDecodeError:
        return False


def _require_text(header: str, data: bytes) -> None:
    if not data:
        raise MissingAttribute(f"header {header} is missing")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise InvalidAttribute(f"header {header} is not UTF-8: {error.reason}") from error


class _OpaqueFormat(JSONFormat):
    """Leaves the data alone: frames are image bytes, and models parse their JSON themselves."""

    def read_data(self, body: Any, datacontenttype: str | None) -> Any:  # noqa: ARG002
        return body


def _require_type(headers: Mapping[str, bytes], name: str) -> None:
    found = headers.get("ce_type")
    if found is None:
        raise MissingAttribute("header ce_type is missing")
    expected = event_type(name)
    stem = expected.rsplit(".v", 1)[0]
    text = found.decode("utf-8", "replace")
    if text == expected:
        return
    if text.startswith(stem + ".v"):
        raise UnsupportedVersion(
            f"type {quoted(text)} is not supported; this version reads {expected!r}"
        )
    raise InvalidAttribute(f"header ce_type is {quoted(text)}, expected {expected!r}")


def _explain(error: BaseCloudEventException) -> str:
    errors = getattr(error, "errors", None)
    if not isinstance(errors, Mapping):
        return str(error)
    return "; ".join(f"ce_{name}: {problems[0]}" for name, problems in errors.items())


def require(attributes: Mapping[str, Any], name: str) -> str:
    """The text of an attribute that must be there."""
    value = attributes.get(name)
    if value is None or value == "":
        raise MissingAttribute(f"header ce_{name} is missing")
    return str(value)


def require_time(attributes: Mapping[str, Any]) -> datetime:
    """The `time` attribute in UTC; it must carry a zone."""
    value = attributes.get("time")
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidAttribute(
            f"header ce_time is not an RFC 3339 time with a zone: {quoted(str(value))}"
        )
    try:
        return value.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # offset of a day or more, year 0
        raise InvalidAttribute(f"header ce_time is out of range: {error}") from error


def require_int(attributes: Mapping[str, Any], name: str) -> int:
    """A non-negative integer attribute."""
    text = require(attributes, name)
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidAttribute(f"header ce_{name} is not a non-negative integer: {quoted(text)}")
    return int(text)
