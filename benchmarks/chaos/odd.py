"""Faults of what comes in and of what the stage stands on. Each returns when it happened."""

import struct
import time
import zlib
from collections.abc import Sequence
from contextlib import closing

import redis
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from benchmarks.chaos.stage import Stage
from benchmarks.chaos.surroundings import Unavailable
from benchmarks.chaos.webhook import Mood
from benchmarks.chaos.world import World
from workers.runtime.bus.kafka.connect import connect_admin, create_topics

_CODECS = ("lz4", "zstd", "snappy", "gzip")
_HOUR_S = 3600
_MOODS: Sequence[Mood] = ("refuse", "redirect", "hang")


def compress_topic(stage: Stage, world: World, number: int) -> float:
    """The frames topic is stored with another codec; at the end as the producer sends it."""
    at = time.time()
    _set_codec(world, stage.topics["frames"], _CODECS[number % len(_CODECS)])
    stage.flows(time.time() + 1)
    _set_codec(world, stage.topics["frames"], "producer")
    return at


def _set_codec(world: World, topic: str, codec: str) -> None:
    wanted = ConfigResource(ConfigResourceType.TOPIC, topic, {"compression.type": codec})
    with closing(connect_admin(world.settings)) as admin:
        admin.alter_configs([wanted])


def heavy_headers(stage: Stage, world: World, number: int) -> float:  # noqa: ARG001
    """No image, with megabytes where nobody looks: in a header's value or name, or in the key."""
    at = time.time()
    weight = b"\x01" * 3_000_000  # six times as long in JSON
    headers, key = {
        0: ([("junk", weight)], None),
        1: ([("j" * 3_000_000, b"1")], None),
        2: ([], weight),
        3: ([("junk", b"")] * 9_000, None),
    }[number % 4]
    frame_id = stage.inject(b"no image at all", headers, key)
    stage.watch(lambda: frame_id in stage.observer.answered())
    return at


def slow_picture(stage: Stage, world: World, number: int) -> float:  # noqa: ARG001
    """A small file that takes longer to decode than a frame may."""
    at = time.time()
    frame_id = stage.inject(slow_png())
    stage.watch(lambda: frame_id in stage.observer.answered())
    return at


def slow_png(width: int = 7000, height: int = 7000) -> bytes:
    """Interlaced RGB of nothing: 140 KB that cost seconds of inflating and placing."""
    row = b"\0" + bytes(3 * width)
    data = zlib.compress(row * height, 1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d))
        for kind, d in chunks
    )


def fill_disk(stage: Stage, world: World, number: int) -> float:  # noqa: ARG001
    """Logs, the notifier's folder and the pictures lie on it; every second time it restarts."""
    at = time.time()
    stage.disk.fill()
    stage.rest(4)
    if number % 2:
        stage.notifier.kill()
        stage.start_notifier()
        stage.rest(4)
    stage.disk.free()
    return at


def step_clock(stage: Stage, world: World, number: int) -> float:  # noqa: ARG001
    """By an hour, forward and back, and then right again."""
    if not stage.clock.there:
        raise Unavailable("setting the clock needs a C compiler (cc), for wall_clock.c")
    at = time.time()
    stage.clock.set(-_HOUR_S if number % 2 else _HOUR_S)
    stage.rest(6)
    stage.clock.set(0)
    stage.rest(2)
    return at


def vex_webhook(stage: Stage, world: World, number: int) -> float:  # noqa: ARG001
    """It refuses each alarm, sends it elsewhere, or does not answer."""
    at = time.time()
    stage.webhook.mood = _MOODS[number % len(_MOODS)]
    stage.rest(6)
    stage.webhook.mood = "ok"
    return at


def delete_topic(stage: Stage, world: World, number: int) -> float:  # noqa: ARG001
    """The alarms topic, which is made anew a few seconds later."""
    at, topic = time.time(), stage.topics["alarms"]
    with closing(connect_admin(world.settings)) as admin:
        admin.delete_topics([topic])
    stage.rest(4)
    create_topics(world.settings, {topic: stage.partitions})
    stage.observer.read_anew(topic)
    return at


def forget_positions(stage: Stage, world: World, number: int) -> float:  # noqa: ARG001
    """The notifier's group is deleted while it is down, as Kafka does to an empty one in a week."""
    at = time.time()
    stage.notifier.stop()
    deadline = time.monotonic() + 20
    with closing(connect_admin(world.settings)) as admin:
        while time.monotonic() < deadline:
            try:
                admin.delete_groups([stage.notifiers])
                break
            except KafkaError:  # its last member has not left
                time.sleep(0.5)
    stage.start_notifier()
    return at


def redis_read_only(stage: Stage, world: World, number: int) -> float:
    """A replica of nobody, as an old primary after a failover; a worker is killed meanwhile."""
    at = time.time()
    with closing(redis.Redis(port=world.store.port)) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        if number % 2:
            stage.workers[number // 2 % 2].process.kill()
        stage.rest(5)
        client.execute_command("REPLICAOF", "NO", "ONE")
    return at
