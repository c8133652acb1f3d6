"""An alarm's picture, for mails and chats: read from the store that a setting names, from no other.

A link names a picture by its content, so whatever an event says, it is that picture or none.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from schemas.alarm import Alarm
from workers.runtime.errors import StoreUnavailable
from workers.runtime.store.files import open_blobs
from workers.runtime.store.ports import BlobStore

log = structlog.get_logger(__name__)

_NAME = re.compile(r"(?:^|/)([0-9a-f]{2}/([0-9a-f]{64})\.(png|jpg))$")
_TYPES = {"png": "image/png", "jpg": "image/jpeg"}
_MOST_BYTES = 5 * 2**20  # what mail servers and chats commonly take


class Picture(NamedTuple):
    """Bytes that are sent along."""

    data: bytes
    name: str
    mimetype: str


class Pictures:
    """Reads pictures of alarms."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def of(self, alarms: Sequence[Alarm]) -> Picture | None:
        """The picture of a single alarm; None where there is none, or it cannot be had."""
        found = _NAME.search(alarms[0].evidence or "") if len(alarms) == 1 else None
        if found is None:
            return None
        name, digest, extension = found.groups()
        try:
            data = self._blobs.read(name)
        except (FileNotFoundError, StoreUnavailable) as error:
            log.warning("picture not attached", reason=f"{type(error).__name__}: {error}")
            return None
        if len(data) > _MOST_BYTES or hashlib.sha256(data).hexdigest() != digest:
            log.warning("picture not attached", reason="too large, or not what its name says")
            return None
        return Picture(data, f"{digest[:12]}.{extension}", _TYPES[extension])


def open_pictures(url: str | None) -> Pictures | None:
    """Of the store at a URL. Raises SettingsError."""
    return Pictures(open_blobs(url)) if url else None
