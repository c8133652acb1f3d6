"""The pictures of a defect, stored before its event is published.

Names are the content's digest: a redelivery writes the same names, never other bytes under a
name that an event already published. A failing store costs the pictures, not the event.
"""

import hashlib
from collections.abc import Callable

from schemas.defect import Evidence
from schemas.excerpt import excerpt
from schemas.frame import RAW_TYPES
from stream_inspector.image.pictures import encode_png, heat_range, heatmap, outline
from workers.inspector.messages.verdicts import Judged
from workers.inspector.pipeline.explain import Explanation
from workers.runtime.store.ports import BlobWriter

_EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
} | {kind: kind.rpartition("raw-")[2] for kind in RAW_TYPES}  # gray8, bayer-rg16


class EvidenceWriter:
    """Writes pictures to a blob store, or notes why there are none."""

    def __init__(self, blobs: BlobWriter | None, failed: Callable[[], None] = lambda: None):
        """`failed` is told of each picture that could not be stored."""
        self._blobs, self._failed = blobs, failed

    def write(self, judged: Judged, explanation: Explanation) -> Evidence:
        """Store the frame as captured, the heatmap, the outline and the counterpart."""
        if self._blobs is None:
            return Evidence(notes={"evidence": "no store is configured (setting evidence.url)"})
        links: dict[str, str | None] = {}
        notes: dict[str, str] = {}
        for name, (extension, make) in _pictures(judged, explanation).items():
            try:
                links[name] = _store(self._blobs, make(), extension)
            except Exception as error:  # any fault here costs a picture, never the event
                notes[name] = excerpt(f"{type(error).__name__}: {error}")
                self._failed()
        if explanation.counterpart is None:
            notes["counterpart"] = f"skipped ({explanation.check.reason})"
        return Evidence(**links, notes=notes)


def _pictures(
    judged: Judged, explanation: Explanation
) -> dict[str, tuple[str, Callable[[], bytes]]]:
    frame, image, verdict = judged.admitted.frame, judged.admitted.image, judged.verdict
    low, high = heat_range(verdict.pixel_threshold)
    place = judged.admitted.place
    pictures: dict[str, tuple[str, Callable[[], bytes]]] = {
        "frame": (_EXTENSIONS[frame.content_type], lambda: frame.data),
        "heatmap": ("png", lambda: encode_png(heatmap(image, verdict.score_map, low, high))),
        "outline": ("png", lambda: encode_png(outline(image, verdict.regions, place))),
    }
    counterpart = explanation.counterpart
    if counterpart is not None:
        pictures["counterpart"] = ("png", lambda: encode_png(counterpart.image))
    return pictures


def _store(blobs: BlobWriter, data: bytes, extension: str) -> str:
    digest = hashlib.sha256(data).hexdigest()
    return blobs.write(f"{digest[:2]}/{digest}.{extension}", data)
