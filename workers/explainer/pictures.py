"""The pictures of a verdict, stored before its explanation is published.

Names are the content's digest: a redelivery writes the same names, never other bytes under a
name that an event already published. A failing store costs the pictures, not the event.
"""

import hashlib
from collections.abc import Callable, Mapping

from schemas.defect import Evidence
from schemas.excerpt import excerpt
from schemas.frame import RAW_TYPES, Frame
from stream_inspector.image.pictures import encode_png, heat_range, heatmap, outline
from stream_inspector.image.view.canvas import Placement
from stream_inspector.verdict import Image, Verdict
from workers.runtime.store.ports import BlobWriter

_EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
} | {kind: kind.rpartition("raw-")[2] for kind in RAW_TYPES}  # gray8, bayer-rg16

Make = Callable[[], tuple[bytes, str]]  # bytes and their extension


def of_frame(frame: Frame) -> dict[str, Make]:
    """The frame's own bytes, as captured."""
    return {"frame": lambda: (frame.data, _EXTENSIONS[frame.content_type])}


def of_verdict(image: Image, verdict: Verdict, place: Placement) -> dict[str, Make]:
    """Where a canvas [H, W, 3] departs from normal."""
    low, high = heat_range(verdict.pixel_threshold)
    return {
        "heatmap": lambda: (encode_png(heatmap(image, verdict.score_map, low, high)), "png"),
        "outline": lambda: (encode_png(outline(image, verdict.regions, place)), "png"),
    }


def of_counterpart(image: Image) -> dict[str, Make]:
    """The part as it would look when good, [H, W, 3]."""
    return {"counterpart": lambda: (encode_png(image), "png")}


class EvidenceWriter:
    """Writes pictures to a blob store, or notes why there are none."""

    def __init__(self, blobs: BlobWriter | None, failed: Callable[[], None] = lambda: None):
        """`failed` is told of each picture that could not be stored."""
        self._blobs, self._failed = blobs, failed

    def write(self, pictures: Mapping[str, Make], absent: Mapping[str, str]) -> Evidence:
        """Store pictures by name; `absent` says why others were not made."""
        if self._blobs is None:
            return Evidence(notes={"evidence": "no store is configured (setting evidence.url)"})
        links: dict[str, str | None] = {}
        notes = dict(absent)
        for name, make in pictures.items():
            try:
                links[name] = _store(self._blobs, *make())
            except Exception as error:  # any fault here costs a picture, never the event
                notes[name] = excerpt(f"{type(error).__name__}: {error}")
                self._failed()
        return Evidence(**links, notes=notes)


def _store(blobs: BlobWriter, data: bytes, extension: str) -> str:
    digest = hashlib.sha256(data).hexdigest()
    return blobs.write(f"{digest[:2]}/{digest}.{extension}", data)
