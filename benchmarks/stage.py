"""What a frame costs in the stage, and how fast the demo's preset is: `make bench`.

Real broker protocol, a real worker process. The shell's cost is the processor time of a worker
with a null detector, less decoding; beside it, in the same run, a bare loop that only consumes and
decodes the same records with the same client.
"""

import argparse
import io
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import PIL.Image as Pil
import psutil
import torch
from rich.console import Console
from rich.table import Table

from schemas.frame import Frame, encode_frame, new_frame_id
from stream_inspector.detector import Detector
from stream_inspector.image.decode import DecodeLimits, decode
from stream_inspector.image.pictures import encode_png
from stream_inspector.image.view.canvas import Size, View
from stream_inspector.model.version import Model, save_model
from stream_inspector.synthetic import DEFECT_KINDS, render
from stream_inspector.verdict import Image
from workers.demo.settings import SYNTHETIC_CATEGORY
from workers.demo.stage.brokers import BROKERS
from workers.demo.stage.model_source import shipped_model
from workers.demo.stage.processes import Child, flags, free_port, wait_until_ready
from workers.offline.plan.constants import Constants
from workers.runtime.bus.kafka.connect import (
    connect_consumer,
    connect_producer,
    create_topics,
)
from workers.runtime.bus.ports import Consumer, Outgoing
from workers.runtime.lifecycle import StopSignal
from workers.runtime.registry.registry import Registry
from workers.runtime.servers.embedded import EmbeddedBroker, EmbeddedStore
from workers.runtime.settings.process import KafkaSettings, RedisSettings, TopicSettings
from workers.runtime.store.files import open_blobs
from workers.runtime.store.redis import connect_store

TOPICS = TopicSettings()
PARTITIONS, BATCH, DISTINCT = 4, 8, 40
BATCHES = (1, 2, 4, BATCH)
PATIENCE_S = 120.0
DEFECTS = 5  # whose counterparts are timed


def main() -> None:
    """Measure and print one table."""
    arguments = _arguments()
    model = shipped_model(SYNTHETIC_CATEGORY)
    if model is None:
        raise SystemExit("no shipped model: see configs/models/README.md")
    pictures = [encode_png(render(i, seed=7).image) for i in range(DISTINCT)]
    detector, batch_ms = _detector(model, pictures, arguments.runs)
    explain_s = _explain_s(model)
    shell, rows = _stage_rows(model, pictures, arguments.frames, arguments.runs)
    counterpart = ("a counterpart", f"{explain_s:.2f} s", f"median of {DEFECTS} defects")
    _print([detector, counterpart, *rows], pictures, arguments)
    if arguments.json:
        found = constants(model.preset.name, batch_ms, explain_s, shell, pictures)
        arguments.json.write_text(found.model_dump_json(indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=400, help="frames a run (default 400)")
    parser.add_argument("--runs", type=int, default=3, help="runs; medians are printed (default 3)")
    parser.add_argument("--json", type=Path, help="write the constants of `stream-inspector plan`")
    return parser.parse_args()


Row = tuple[str, str, str]  # what, value, remark


def _detector(model: Model, pictures: Sequence[bytes], runs: int) -> tuple[Row, dict[int, float]]:
    """Its row, and milliseconds by images of a batch."""
    detector = Detector(model)
    view = model.view()
    images = [decode(png, "image/png", view, DecodeLimits()).image for png in pictures[:BATCH]]
    sizes = [view.canvas[::-1]] * len(images)
    batch_ms = {n: _batch_ms(detector, images[:n], sizes[:n], runs) for n in BATCHES}
    remark = f"{model.preset.name}, batch {BATCH}, engine {detector.engine}"
    rate = 1000 * BATCH / batch_ms[BATCH]
    return ("detector alone", f"{rate:.1f} frames/s", remark), batch_ms


def _explain_s(model: Model) -> float:
    """Seconds of the device for a defect's counterpart, after the first."""
    detector, found = Detector(model), []
    view = model.view()
    for index in range(1 + DEFECTS):
        png = encode_png(
            render(index, seed=7, defect=DEFECT_KINDS[index % len(DEFECT_KINDS)]).image
        )
        images = [decode(png, "image/png", view, DecodeLimits()).image]
        verdicts = detector.inspect(images, [view.canvas[::-1]])
        start = time.perf_counter()
        detector.explain(images, verdicts)
        found.append(time.perf_counter() - start)
    return statistics.median(found[1:])


def _batch_ms(detector: Detector, images: list[Image], sizes: list[Size], runs: int) -> float:
    detector.inspect(images, sizes)
    found = []
    for _ in range(max(runs, 3)):
        start = time.perf_counter()
        for _ in range(5):
            detector.inspect(images, sizes)
        found.append(1000 * (time.perf_counter() - start) / 5)
    return statistics.median(found)


@dataclass(frozen=True, slots=True)
class Shell:
    """CPU-milliseconds a frame."""

    decode_ms: float
    shell_ms: float


def constants(
    preset: str,
    batch_ms: dict[int, float],
    explain_s: float,
    shell: Shell,
    pictures: Sequence[bytes],
) -> Constants:
    """What a plan for this machine is computed from; what was not measured is as it ships."""
    sides = [Pil.open(io.BytesIO(png)).size for png in pictures]
    megapixels = statistics.mean(width * height for width, height in sides) / 1e6
    shipped = Constants.read(None)
    return shipped.model_copy(
        update={
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, "
            f"{datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f}",
            "cores": os.cpu_count() or 1,
            "batch_ms": {preset: batch_ms},
            "explain_s": {preset: explain_s},
            "decode_ms_megapixel": shipped.decode_ms_megapixel
            | {"png": shell.decode_ms / megapixels},
            "shell_ms": shell.shell_ms,
        }
    )


def _stage_rows(
    model: Model, pictures: Sequence[bytes], frames: int, runs: int
) -> tuple[Shell, list[Row]]:
    decoding = [_decode_ms(pictures, model.view()) for _ in range(runs)]
    bare = [_bare_loop_ms(pictures, model.view(), frames) for _ in range(runs)]
    null = [_worker(None, pictures, frames) for _ in range(runs)]
    real = [_worker(model, pictures, frames) for _ in range(runs)]
    decode_ms, bare_ms = statistics.median(decoding), statistics.median(bare)
    null_ms = statistics.median(cpu for cpu, _ in null)
    shell_ms = null_ms - decode_ms
    return Shell(decode_ms, shell_ms), [
        ("decoding", f"{decode_ms:.2f} CPU-ms/frame", "subtracted below"),
        (
            "bare consume + decode loop",
            f"{bare_ms:.2f} CPU-ms/frame",
            "the same client and frames",
        ),
        (
            "shell (worker, null detector, less decoding)",
            f"{shell_ms:.2f} CPU-ms/frame",
            f"with decoding {null_ms / bare_ms:.2f} x the bare loop",
        ),
        (
            "stage, null detector",
            f"{statistics.median(fps for _, fps in null):.0f} frames/s",
            "one worker process",
        ),
        (
            "whole stage",
            f"{statistics.median(fps for _, fps in real):.1f} frames/s",
            f"one worker process, {statistics.median(cpu for cpu, _ in real):.1f} CPU-ms/frame",
        ),
    ]


def _decode_ms(pictures: Sequence[bytes], view: View) -> float:
    start = time.process_time()
    for png in pictures:
        decode(png, "image/png", view, DecodeLimits())
    return 1000 * (time.process_time() - start) / len(pictures)


@contextmanager
def servers() -> Iterator[tuple[KafkaSettings, RedisSettings]]:
    """The embedded broker with our topics, and the embedded store."""
    with EmbeddedBroker() as broker, EmbeddedStore() as store:
        kafka = KafkaSettings(
            bootstrap_servers=broker.bootstrap_servers, **BROKERS["embedded"].kafka
        )
        create_topics(kafka, dict.fromkeys(TOPICS.names(), PARTITIONS))
        yield kafka, RedisSettings(url=store.url)


def _publish(kafka: KafkaSettings, pictures: Sequence[bytes], frames: int) -> None:
    producer = connect_producer(kafka, "bench-camera")
    producer.publish(frame(i, pictures[i % len(pictures)]) for i in range(frames))
    producer.close()


def frame(index: int, png: bytes) -> Outgoing:
    """A camera's message: the cameras take turns, one a partition."""
    camera = index % PARTITIONS
    taken = Frame(
        frame_id=new_frame_id(),
        camera_id=f"cam-{camera}",
        category=SYNTHETIC_CATEGORY,
        sequence=index // PARTITIONS,
        captured_at=datetime.now(UTC),
        content_type="image/png",
        data=png,
    )
    return Outgoing(TOPICS.frames, encode_frame(taken), partition=camera)


def _await(consumer: Consumer, frames: int) -> None:
    """Read until `frames` records came."""
    seen, deadline = 0, time.monotonic() + PATIENCE_S
    while seen < frames:
        seen += len(consumer.poll(0.2))
        if time.monotonic() > deadline:
            raise SystemExit(f"only {seen} of {frames} outcomes came within {PATIENCE_S:g} s")


def _bare_loop_ms(pictures: Sequence[bytes], view: View, frames: int) -> float:
    with servers() as (kafka, _):
        _publish(kafka, pictures, frames)
        consumer = connect_consumer(kafka, "bare", [TOPICS.frames], "bare")
        seen, start = 0, time.process_time()
        while seen < frames:
            for record in consumer.poll(0.2):
                decode(record.value or b"", "image/png", view, DecodeLimits())
                seen += 1
        spent = time.process_time() - start
        consumer.close()
    return 1000 * spent / frames


def _worker(model: Model | None, pictures: Sequence[bytes], frames: int) -> tuple[float, float]:
    """(CPU-ms a frame, frames a second) of one worker process; no model: the null detector."""
    with tempfile.TemporaryDirectory() as folder, servers() as (kafka, redis):
        if model is not None:
            activate(model, Path(folder), redis)
        port = free_port()
        given = worker_flags(kafka, redis, Path(folder), port, null=model is None)
        child = Child("worker", ["worker", *flags(given)], Path(folder), 20.0)
        try:
            if (late := wait_until_ready({port: child}, PATIENCE_S, StopSignal())) is not None:
                raise SystemExit(f"the worker did not become ready:\n{late.tail()}")
            outcomes = connect_consumer(kafka, "bench", [TOPICS.outcomes], "bench")
            before, start = cpu_s(folder), time.monotonic()
            _publish(kafka, pictures, frames)
            _await(outcomes, frames)
            seconds, spent = time.monotonic() - start, cpu_s(folder) - before
            outcomes.close()
        finally:
            child.stop()
    return 1000 * spent / frames, frames / seconds


def worker_flags(
    kafka: KafkaSettings, redis: RedisSettings, folder: Path, port: int, *, null: bool
) -> dict[str, object]:
    """Settings of a worker whose model store is in `folder`."""
    return {
        "kafka.bootstrap_servers": kafka.bootstrap_servers,
        "kafka.session_timeout_ms": kafka.session_timeout_ms,
        "kafka.heartbeat_interval_ms": kafka.heartbeat_interval_ms,
        "redis.url": redis.url,
        "categories.names": [SYNTHETIC_CATEGORY],
        "models.store": folder / "models",
        "models.null_detector_ms": 0 if null else None,
        "health.port": port,
    }


def activate(model: Model, folder: Path, redis: RedisSettings) -> None:
    """Make a model the active one of its category."""
    made = save_model(model)
    registry = Registry(open_blobs(str(folder / "models")), connect_store(redis))
    registry.push(model.categories, model.version, made.manifest, made.tensors)
    registry.activate(model.category(), model.version, "benchmark", "measuring")


def cpu_s(folder: str) -> float:
    """User and system seconds so far of the worker that was given `folder`, and its decoders."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        is_worker = "workers.cli" in command and "--grace" not in command
        if is_worker and any(folder in argument for argument in command):
            everything = (process, *process.children(recursive=True))
            return sum(sum(each.cpu_times()[:2]) for each in everything)
    raise SystemExit("the worker process is gone")


def _print(rows: Sequence[Row], pictures: Sequence[bytes], arguments: argparse.Namespace) -> None:
    kib = statistics.mean(map(len, pictures)) / 1024
    title = (
        f"{arguments.frames} frames of {kib:.0f} KiB, median of {arguments.runs} runs; "
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    )
    table = Table("what", "value", "remark", title=title)
    for row in rows:
        table.add_row(*row)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
