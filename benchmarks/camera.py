"""What a camera process costs beside its encoder: 30 frames/s of 5 megapixels, mono.

    python -m benchmarks.camera [--frames 60] [--side 2592 1944] [--rate 30]

The device is a buffer in memory that is handed out as a library does; what comes after is the
product's: copy, encoding, frame, spool, client, broker (the embedded one, in its own process).
Processor time of this process, the encoder's taken off; a share is that of one core at `--rate`.
"""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np

from workers.camera.capture import make_cameras
from workers.camera.devices import encode
from workers.camera.devices.device import Grab, VideoEnded
from workers.camera.devices.live import live_shots
from workers.camera.devices.pixels import Picture, picture, pixel_format
from workers.camera.play import Player
from workers.camera.sending.publisher import SpooledPublisher
from workers.camera.sending.spool import Spool
from workers.camera.settings import CameraSettings, DeviceSettings
from workers.runtime.bus.kafka.connect import connect_producer, create_topics
from workers.runtime.lifecycle import StopSignal
from workers.runtime.servers.embedded import EmbeddedBroker
from workers.runtime.settings.process import KafkaSettings

_TOPIC = "frames"
_LARGEST = 64 * 2**20  # bytes of a frame


class Buffer:
    """A device whose pictures are there at once: a part on a belt, with noise."""

    def __init__(self, width: int, height: int, count: int) -> None:
        noise = np.random.default_rng(0).normal(0, 2, (height, width))
        shade = 90 + 60 * np.sin(np.arange(width) / 300)
        self._samples = np.clip(shade + noise, 0, 255).astype(np.uint8)
        self._blocks: Iterator[int] = iter(range(count))

    def open(self) -> None:
        """It is."""

    def grab(self, timeout_s: float) -> Grab:  # noqa: ARG002  (it never waits)
        """The next; raises VideoEnded."""
        block = next(self._blocks, None)
        if block is None:
            raise VideoEnded("done")
        form = pixel_format("Mono8")
        assert form is not None  # noqa: S101
        made = picture(self._samples, form, convert_bayer=True)
        return Grab(made, block, time.monotonic_ns(), "", "Mono8")

    def synchronised(self) -> bool | None:
        """It has no clock of its own."""
        return None

    def close(self) -> None:
        """Nothing to close."""


class Encoder:
    """The product's, with its processor time taken."""

    def __init__(self) -> None:
        self.spent_s, self.sizes = 0.0, 0
        self._encoded = encode.encoded

    def __call__(self, made: Picture, settings: DeviceSettings) -> tuple[bytes, str]:
        """Encode a picture."""
        begun = time.thread_time()
        found = self._encoded(made, settings)
        self.spent_s += time.thread_time() - begun
        self.sizes += len(found[0])
        return found


def measure(
    kafka: KafkaSettings, settings: DeviceSettings, side: tuple[int, int], frames: int
) -> tuple[float, float, float]:
    """Milliseconds of a frame: of the encoder, of all else; and its MiB."""
    encoder, encoded = Encoder(), encode.encoded
    device = Buffer(*side, frames)
    spool = Spool(256 * 2**20, "block")
    with closing(connect_producer(kafka, "benchmark-camera")) as producer:
        publisher = SpooledPublisher(spool, producer, _TOPIC, CameraSettings().spool)
        player = Player(make_cameras({"cam-1": "bolts"}, {}), spool, publisher, StopSignal())
        encode.encoded = encoder  # type: ignore[assignment]
        try:
            begun = time.process_time()
            publisher.start()
            player.play(live_shots(device, settings, StopSignal(), once=True), 0, 0)
            spool.close()
            publisher.finish(600)
            spent = time.process_time() - begun
        finally:
            encode.encoded = encoded
    if publisher.sent != frames:
        raise SystemExit(f"{publisher.sent} of {frames} frames were sent")
    own, per = encoder.spent_s, 1000 / frames
    return own * per, (spent - own) * per, encoder.sizes / frames / 2**20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--side", type=int, nargs=2, default=(2592, 1944), metavar="PIXELS")
    parser.add_argument("--rate", type=float, default=30.0)
    given = parser.parse_args()
    print(f"{given.side[0]} x {given.side[1]}, Mono8, load {os.getloadavg()[0]:.1f}")
    print("| encoding | MiB a frame | encoder, ms | all else, ms | share of a core beside it |")
    print("|---|---|---|---|---|")
    for encoding in ("raw", "jpeg", "png-fast"):
        with EmbeddedBroker() as broker:
            kafka = KafkaSettings(
                bootstrap_servers=broker.bootstrap_servers, max_frame_bytes=_LARGEST
            )
            create_topics(kafka, {_TOPIC: 1})
            settings = DeviceSettings.model_validate({"encoding": encoding})
            own, rest, size = measure(kafka, settings, tuple(given.side), given.frames)
        share = rest * given.rate / 1000
        print(f"| {encoding} | {size:.1f} | {own:.1f} | {rest:.1f} | {share:.0%} |", flush=True)


if __name__ == "__main__":
    main()
