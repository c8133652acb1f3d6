"""Pictures that a defect's event links to, from the one store that a setting names.

An event may say anything, so its links are not followed: a picture's name is its content's digest,
the store is ours, and bytes that do not have the digest are not shown.
"""

import hashlib
import re
from typing import NamedTuple

from workers.runtime.errors import StoreUnavailable
from workers.runtime.evidence.expiry import read_notice
from workers.runtime.store.ports import BlobStore

_NAME = re.compile(r"(?:^|/)([0-9a-f]{2})/(\1[0-9a-f]{62})\.([a-z0-9]{1,8})$")
TYPES = {"png": "image/png", "jpg": "image/jpeg", "bmp": "image/bmp"}  # that browsers show
NONE = "none was stored"
_NO_STORE = "evidence.url is not set here"
_ELSEWHERE = "it is not in this store"
_GONE, _AWAY = "not kept any more", "the evidence store does not answer"
_OTHER = "the store has something else there"
KINDS = ("frame", "heatmap", "outline", "counterpart")


class Picture(NamedTuple):
    """Bytes that a browser may be given as what they are."""

    content_type: str
    data: bytes


class EvidencePictures:
    """Reads the store."""

    def __init__(self, blobs: BlobStore | None):
        self._blobs = blobs

    def read(self, link: str | None) -> Picture | str:
        """The picture of a link; a text: why there is none here."""
        if self._blobs is None or not link:
            return _NO_STORE if link else NONE
        found = _NAME.search(link.partition("?")[0])
        if found is None or found[3] not in TYPES:
            return _ELSEWHERE
        try:
            data = self._blobs.read(f"{found[1]}/{found[2]}.{found[3]}")
        except FileNotFoundError:
            return _GONE
        except StoreUnavailable:
            return _AWAY
        is_it = hashlib.sha256(data).hexdigest() == found[2]
        return Picture(TYPES[found[3]], data) if is_it else _instead(data)


def _instead(data: bytes) -> str:
    """What is said by that which stands in a picture's place."""
    try:
        told = read_notice(data)
        return f"expired {told['at'][:10]}: {told['rule']}" if told else _OTHER
    except Exception:  # the bytes can be anything
        return _OTHER
