"""Sends picture files as frames of one camera, in order, each once.

    pip install "confluent-kafka>=2.11,<3"
    KAFKA=127.0.0.1:9092 CAMERA=line-1 CATEGORY=bolts python producer.py 1.png 2.jpg

Settings: KAFKA (host:port, comma separated), TOPIC, CAMERA, CATEGORY.
"""

import os
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import KafkaError, Message, Producer

TYPE = "io.stream-inspector.frame.v1"
KINDS = {
    **{".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"},
    **{".bmp": "image/bmp", ".tif": "image/tiff", ".tiff": "image/tiff"},
}
EPOCH = uuid.uuid4().hex  # one start of this process: the sequence counts from 0 in it


def headers(sequence: int, kind: str, camera: str, category: str) -> dict[str, str]:
    """A frame's attributes; schemas/json/frame-headers.json has all of them."""
    return {
        "ce_specversion": "1.0",
        "ce_id": uuid.uuid4().hex,  # of this frame: sent again, it keeps its id
        "ce_source": f"/cameras/{camera}",
        "ce_type": TYPE,
        "ce_time": datetime.now(UTC).isoformat(),  # of capture, with its zone
        "content-type": kind,
        "ce_camera": camera,
        "ce_category": category,  # selects the model
        "ce_sequence": str(sequence),  # a gap in it is a frame that was lost, and an alarm
        "ce_epoch": EPOCH,
    }


class Camera:
    """Sends frames, and knows which the broker has not taken."""

    def __init__(self, producer: Producer) -> None:
        self.producer = producer
        self.failed: list[str] = []

    def send(self, sequence: int, file: Path) -> None:
        """Hand one frame to the client, which tries again by itself."""
        camera, category = os.environ["CAMERA"], os.environ["CATEGORY"]
        kind = KINDS.get(file.suffix.lower())
        if kind is None:
            raise SystemExit(f"{file}: none of {', '.join(KINDS)}")
        record = {
            "key": camera.encode(),  # equal keys keep their order
            "value": file.read_bytes(),
            "headers": headers(sequence, kind, camera, category),
        }
        while True:
            try:
                topic = os.environ.get("TOPIC", "frames")
                self.producer.produce(topic, on_delivery=self.told, **record)
                return
            except BufferError:  # the broker is slower than we are
                self.producer.poll(0.1)

    def told(self, error: KafkaError | None, message: Message) -> None:
        """What became of a frame."""
        if error is not None:
            names = dict(message.headers() or ())
            self.failed.append(f"frame {names.get('ce_sequence')}: {error}")


def main() -> int:
    """Send all files; 1 when the broker did not take some."""
    camera = Camera(
        Producer(
            {
                "bootstrap.servers": os.environ.get("KAFKA", "127.0.0.1:9092"),
                "enable.idempotence": True,  # no frame twice, none out of order
                "partitioner": "murmur2_random",  # the partition of a key, as all Java clients
                "message.max.bytes": 8 * 2**20,  # the setting kafka.max_frame_bytes
                "delivery.timeout.ms": 30_000,
            }
        )
    )
    start = time.monotonic()
    for sequence, name in enumerate(sys.argv[1:]):
        camera.send(sequence, Path(name))
        camera.producer.poll(0)
    left = camera.producer.flush(60)
    for line in camera.failed:
        sys.stderr.write(f"{line}\n")
    sent = len(sys.argv[1:]) - len(camera.failed) - left
    sys.stdout.write(f"{sent} frames in {time.monotonic() - start:.1f} s\n")
    return int(bool(camera.failed or left))


if __name__ == "__main__":
    sys.exit(main())
