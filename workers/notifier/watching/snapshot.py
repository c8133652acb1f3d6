"""What is known of a camera as JSON, and back. What cannot be read is passed over."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import structlog

from schemas.outcome import RecordRef
from workers.notifier.deciding.happenings import Place
from workers.notifier.watching.cameras import Camera, Count
from workers.notifier.watching.sequence import Run, Turns
from workers.runtime.bus.ports import Partition

log = structlog.get_logger(__name__)

_DAMAGED = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


def to_json(camera: Camera) -> dict[str, Any]:
    """A camera that was heard, as it was before any gap that is still open."""
    count, partition = camera.base or camera.count, camera.partition
    return {
        "camera_id": camera.camera_id,
        "partition": [partition.topic, partition.index] if partition else None,
        "category": camera.category,
        "frames": camera.frames,
        "silent": camera.silent,
        "count": _count_to_json(count) if count else None,
    }


def from_json(content: Any, now_s: float) -> Camera | None:
    """A camera that is remembered; None when it cannot be read."""
    try:
        return Camera(
            camera_id=str(content["camera_id"]),
            heard_s=now_s,
            partition=Partition(str(content["partition"][0]), int(content["partition"][1])),
            count=_count_from_json(content["count"]),
            category=content["category"],
            frames=int(content["frames"]),
            silent=bool(content["silent"]),
        )
    except _DAMAGED as error:
        log.warning("a camera is watched anew", reason=f"watch.json: {error!r}"[:200])
        return None


def restored_positions(snapshot: Mapping[str, Any]) -> Iterator[tuple[Partition, int]]:
    """Partitions and the offset up to which they were read."""
    for item in snapshot.get("positions", ()):
        try:
            topic, index, offset = item[:3]
            yield Partition(str(topic), int(index)), int(offset)
        except _DAMAGED:
            log.warning("cameras are watched anew", reason="watch.json: a position is damaged")


def _count_to_json(count: Count) -> dict[str, Any]:
    return {
        "epoch": count.epoch,
        "runs": [[epoch, run.last, run.doubted] for epoch, run in count.runs.items()],
        "from_zero": count.turns.from_zero,
        "captured": count.captured.isoformat() if count.captured else None,
        "decided": count.decided.isoformat() if count.decided else None,
        "place": _place_to_json(count.place),
        "at": [count.at.topic, count.at.partition, count.at.offset] if count.at else None,
    }


def _count_from_json(content: Any) -> Count:
    runs = OrderedDict(
        (str(epoch), Run(int(last), doubted)) for epoch, last, doubted in content["runs"]
    )
    at = content["at"]
    count = Count(
        epoch=str(content["epoch"]),
        runs=runs,
        turns=Turns(from_zero=bool(content["from_zero"])),
        captured=_time(content["captured"]),
        decided=_time(content["decided"]),
        place=_place_from_json(content["place"]),
        at=RecordRef(topic=at[0], partition=at[1], offset=at[2]) if at else None,
    )
    count.run  # noqa: B018  (raises KeyError when the present epoch has no run)
    return count


def _place_to_json(place: Place | None) -> list[Any] | None:
    return [place.partition.topic, place.partition.index, place.offset] if place else None


def _place_from_json(content: Any) -> Place | None:
    if content is None:
        return None
    topic, index, offset = content
    return Place(Partition(str(topic), int(index)), int(offset))


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return found
