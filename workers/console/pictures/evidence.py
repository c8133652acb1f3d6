"""Pictures that a defect's event links to, from the one store that a setting names.

An event may say anything, so its links are not followed: a picture's name is its content's digest,
the store is ours, and bytes that do not have the digest are not shown.
"""

import hashlib
import re
from typing import NamedTuple

from workers.runtime.errors import StoreUnavailable
from workers.runtime.store.ports import BlobStore

_NAME = re.compile(r"(?:^|/)([0-9a-f]{2})/(\1[0-9a-f]{62})\.([a-z0-9]{1,8})$")
TYPES = {"png": "image/png", "jpg": "image/jpeg", "bmp": "image/bmp"}  # that browsers show
KINDS = ("frame", "heatmap", "outline", "counterpart")


class Picture(NamedTuple):
    """Bytes that a browser may be given as what they are."""

    content_type: str
    data: bytes


class EvidencePictures:
    """Reads the store."""

    def __init__(self, blobs: BlobStore | None):
        self._blobs = blobs

    def read(self, link: str | None) -> Picture | None:
        """The picture of a link; None: there is none here. Raises StoreUnavailable."""
        found = _NAME.search((link or "").partition("?")[0])
        if found is None or self._blobs is None or found[3] not in TYPES:
            return None
        try:
            data = self._blobs.read(f"{found[1]}/{found[2]}.{found[3]}")
        except (FileNotFoundError, StoreUnavailable):
            return None
        if hashlib.sha256(data).hexdigest() != found[2]:
            return None
        return Picture(TYPES[found[3]], data)
