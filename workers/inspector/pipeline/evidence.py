"""The pictures of a defect, stored before its event is published.

Names are the content's digest: a redelivery writes the same names, never other bytes under a
name that an event already published. Whose they are is noted first, for who keeps the store small.
A failing store costs the pictures, not the event.
"""

from collections.abc import Callable, Mapping
from functools import partial

from schemas.defect import Evidence
from schemas.excerpt import excerpt
from schemas.frame import RAW_GRAY8, RAW_RGB8
from schemas.outcome import outcome_id
from stream_inspector.image.pictures import encode_png, heat_range, heatmap, outline
from workers.inspector.messages.verdicts import Judged
from workers.inspector.pipeline.explain import Explanation
from workers.runtime.evidence.cases import Case, note, picture_name
from workers.runtime.store.ports import BlobWriter

_EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
    RAW_GRAY8: "gray8",
    RAW_RGB8: "rgb8",
}


class EvidenceWriter:
    """Writes pictures to a blob store, or notes why there are none."""

    def __init__(self, blobs: BlobWriter | None, failed: Callable[[], None] = lambda: None):
        """`failed` is told of each picture that could not be stored."""
        self._blobs, self._failed = blobs, failed

    def write(self, judged: Judged, explanation: Explanation) -> Evidence:
        """Store the frame as captured, the heatmap, the outline and the counterpart."""
        if self._blobs is None:
            return Evidence(notes={"evidence": "no store is configured (setting evidence.url)"})
        made: dict[str, tuple[str, bytes]] = {}
        links: dict[str, str | None] = {}
        notes: dict[str, str] = {}

        def trying(what: str, body: Callable[[], None]) -> None:
            try:
                body()
            except Exception as error:  # any fault here costs a picture, never the event
                notes[what] = excerpt(f"{type(error).__name__}: {error}")
                self._failed()

        for name, (extension, make) in _pictures(judged, explanation).items():
            trying(name, partial(_make, made, name, extension, make))
        trying("record", partial(note, self._blobs, _case(judged, made)))
        for name, (place, data) in made.items():
            trying(name, partial(_store, self._blobs, links, name, place, data))
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


def _make(
    made: dict[str, tuple[str, bytes]], name: str, extension: str, make: Callable[[], bytes]
) -> None:
    data = make()
    made[name] = picture_name(data, extension), data


def _store(
    blobs: BlobWriter, links: dict[str, str | None], name: str, place: str, data: bytes
) -> None:
    links[name] = blobs.write(place, data)


def _case(judged: Judged, made: Mapping[str, tuple[str, bytes]]) -> Case:
    frame = judged.admitted.frame
    return Case(
        outcome_id=outcome_id(frame.source, frame.frame_id, frame.run),
        frame_id=frame.frame_id,
        camera_id=frame.camera_id,
        category=frame.category,
        grade=judged.verdict.grade.value,
        captured_at=frame.captured_at,
        decided_at=judged.decided_at,
        model_version=judged.model.version,
        pictures={name: place for name, (place, _) in made.items()},
    )
