"""What the examples of producers are given, and what has to come of it."""

from collections.abc import Sequence
from pathlib import Path

from schemas.documents.samples import PNG
from schemas.frame import decode_frame
from workers.runtime.bus.kafka.reading.snapshot import read_topic
from workers.runtime.bus.partitioning import partition_of
from workers.runtime.settings.process import KafkaSettings


def pictures(folder: Path, count: int = 5) -> list[Path]:
    """Picture files, in order."""
    files = [folder / f"{number}.png" for number in range(count)]
    for file in files:
        file.write_bytes(PNG)
    return files


def check_frames(kafka: KafkaSettings, topic: str, expected: Sequence[bytes]) -> None:
    """Each is a frame of ours, in order, in the partition that our own cameras would take."""
    records = list(read_topic(kafka, topic))
    frames = [decode_frame(record.headers, record.value) for record in records]
    assert [frame.data for frame in frames] == list(expected)
    assert [frame.sequence for frame in frames] == list(range(len(expected)))
    assert {(frame.camera_id, frame.category) for frame in frames} == {("line-1", "bolts")}
    assert len({frame.epoch for frame in frames}) == 1
    assert len({frame.frame_id for frame in frames}) == len(expected)
    assert {record.partition.index for record in records} == {partition_of(b"line-1", 4)}
