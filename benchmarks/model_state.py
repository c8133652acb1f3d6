"""What model state costs: a worker's start, a change of versions, Redis away. `make bench-models`.

Real broker protocol, a real Valkey, a real worker process with the demo's model.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import redis as redis_client
from rich.console import Console
from rich.table import Table

from benchmarks.chaos.proxy import Proxy
from benchmarks.model_line import Line, another, capacity, mixtures, push
from benchmarks.stage import cpu_s, servers
from stream_inspector.image.pictures import encode_png
from stream_inspector.model.version import Model
from stream_inspector.synthetic import render
from workers.demo.settings import SYNTHETIC_CATEGORY
from workers.demo.stage.model_source import shipped_model
from workers.runtime.registry.cache import ModelCache
from workers.runtime.registry.registry import Registry
from workers.runtime.servers.embedded import EmbeddedStore
from workers.runtime.settings.process import RedisSettings
from workers.runtime.store.files import open_blobs
from workers.runtime.store.redis import connect_store

Row = tuple[str, str, str]  # what, value, remark
_GB = 1e9


def main() -> None:
    """Measure what was asked for and print one table."""
    arguments = _arguments()
    model = shipped_model(SYNTHETIC_CATEGORY)
    if model is None:
        raise SystemExit("no shipped model: see configs/models/README.md")
    measures: dict[str, Callable[[], Iterator[Row]]] = {
        "start": lambda: warm_start(model, arguments.runs),
        "transfer": lambda: transfer(int(arguments.gigabytes * _GB), arguments.runs),
        "switch": lambda: switch_under_load(model, arguments.seconds),
        "outage": lambda: redis_away(model, arguments.outage),
    }
    rows = [row for name in arguments.measure or measures for row in measures[name]()]
    title = f"{platform.machine()}, {os.cpu_count()} cores, medians of {arguments.runs} runs"
    table = Table("what", "value", "remark", title=title)
    for row in rows:
        table.add_row(*row)
    Console(width=150).print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    choices = ("start", "transfer", "switch", "outage")
    parser.add_argument("measure", nargs="*", choices=choices, help="default: all of them")
    parser.add_argument("--runs", type=int, default=3, help="of start and transfer (default 3)")
    parser.add_argument("--gigabytes", type=float, default=2.2, help="of transfer (default 2.2)")
    parser.add_argument("--seconds", type=float, default=60, help="of switch (default 60)")
    parser.add_argument("--outage", type=float, default=60, help="seconds of it (default 60)")
    return parser.parse_args()


@contextmanager
def _line(model: Model) -> Iterator[tuple[Line, Registry, Path, RedisSettings]]:
    """A line whose model is in the store and in Redis, its worker not started yet."""
    with tempfile.TemporaryDirectory() as name, servers() as (kafka, redis):
        folder = Path(name)
        registry = Registry(open_blobs(str(folder / "models")), connect_store(redis))
        push(registry, model)
        registry.activate(SYNTHETIC_CATEGORY, model.version, "benchmark", "measuring")
        line = Line(kafka, redis, folder, encode_png(render(3, seed=7).image))
        yield line, registry, folder, redis


# -- a worker's start -----------------------------------------------------------------------------


def warm_start(model: Model, runs: int) -> Iterator[Row]:
    """A fresh process until it is ready and until its first outcome, by where the model is."""
    _started(model, "redis")  # so that files are in the system's cache
    for source in ("redis", "folder"):
        ready, first, cpu, fetched = (
            statistics.median(each)
            for each in zip(*(_started(model, source) for _ in range(runs)), strict=True)
        )
        yield (
            f"fresh worker, model from {source}",
            f"{first:.2f} s",
            f"to the first outcome, {cpu:.1f} s of it on a processor; ready after {ready:.2f} s; "
            f"fetching alone {1000 * fetched:.0f} ms",
        )
    yield ("the same file from disk", f"{1000 * _from_disk(model, runs):.1f} ms", "read alone")


def _started(model: Model, source: str) -> tuple[float, float, float, float]:
    """Seconds until ready, until the first outcome, on processors until then, of fetching alone."""
    with _line(model) as (line, registry, folder, redis):
        if source == "redis":
            (folder / "models" / "models").rename(folder / "hidden")
        else:
            redis_client.Redis.from_url(redis.url).flushall()
        fetching = time.perf_counter()
        registry.fetch(model.version)
        fetched = time.perf_counter() - fetching
        if source == "folder":
            redis_client.Redis.from_url(redis.url).flushall()
        line.open()
        line.send(1)
        started = time.monotonic()
        try:
            ready = line.start()
            line.wait()
            spent = cpu_s(str(folder))
        finally:
            line.close()
        return ready, line.seen[0].at - started, spent, fetched


def _from_disk(model: Model, runs: int) -> float:
    with _line(model) as (_, _, folder, _):
        file = next((folder / "models").rglob("tensors.safetensors"))
        took = []
        for _ in range(runs):
            started = time.perf_counter()
            file.read_bytes()
            took.append(time.perf_counter() - started)
        return statistics.median(took)


# -- a large version ------------------------------------------------------------------------------


def transfer(size: int, runs: int) -> Iterator[Row]:
    """A blob of a large preset's size: through Valkey in chunks, and from disk."""
    data = os.urandom(size)
    with EmbeddedStore() as store:
        url = RedisSettings(url=store.url)
        cache = ModelCache(connect_store(url), 2 * size)
        writing = time.perf_counter()
        cache.fill("large", b"{}", data)
        written = time.perf_counter() - writing
        reads = []
        for _ in range(runs):
            reading = time.perf_counter()
            found = cache.model("large")
            reads.append(time.perf_counter() - reading)
            if found is None or found[1] != data:
                raise SystemExit("Valkey gave back something else")
            del found
    yield _rate("into Valkey", size, written, "digest included")
    yield _rate("out of Valkey", size, statistics.median(reads), "joined, digest checked")
    with tempfile.TemporaryDirectory() as folder:
        blobs, file = open_blobs(folder), Path(folder) / "large"
        file.write_bytes(data)
        del data
        os.sync()
        for what, cold in (("from disk, not cached", True), ("from disk, cached by Linux", False)):
            took = [_read(blobs.read, file, cold) for _ in range(runs)]
            yield _rate(what, size, statistics.median(took), "no digest")


def _read(read: Callable[[str], bytes], file: Path, cold: bool) -> float:
    if cold:
        with file.open("rb") as handle:
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    started = time.perf_counter()
    read(file.name)
    return time.perf_counter() - started


def _rate(what: str, size: int, seconds: float, remark: str) -> Row:
    value = f"{size / seconds / _GB:.2f} GB/s"
    return f"{size / _GB:.1f} GB {what}", value, f"{seconds:.2f} s, {remark}"


# -- a change of versions -------------------------------------------------------------------------


def switch_under_load(model: Model, seconds: float) -> Iterator[Row]:
    """Two versions take turns while frames flow at half of what the worker can do."""
    versions = (model, another(model))
    with _line(model) as (line, registry, _, _):
        push(registry, versions[1])
        line.open()
        line.start()
        try:
            rate = capacity(line) / 2
            line.run(10, rate, {})
            line.wait()
            quiet = _longest_gap(line)
            times = [5 + 10 * n for n in range(int(seconds // 10))]
            line.seen, line.sent = [], 0
            line.run(
                seconds,
                rate,
                {at: _activation(registry, versions[1 - n % 2]) for n, at in enumerate(times)},
            )
            line.wait()
        finally:
            line.close()
        changes = sum(
            a.outcome.model_version != b.outcome.model_version for a, b in pairwise(line.seen)
        )
        yield (
            "switches under load",
            f"{line.lost()} lost, {mixtures(line.seen, versions)} mixed",
            f"{line.sent} frames at {rate:.1f}/s, {len(times)} activations, {changes} changes seen",
        )
        yield (
            "longest pause between outcomes",
            f"{1000 * _longest_gap(line):.0f} ms",
            f"without a switch {1000 * quiet:.0f} ms",
        )


def _activation(registry: Registry, model: Model) -> Callable[[], None]:
    return lambda: _ignore(registry.activate(SYNTHETIC_CATEGORY, model.version, "bench", "switch"))


def _ignore(_: object) -> None:
    """Timers want a function without a result."""


def _longest_gap(line: Line) -> float:
    return max(b.at - a.at for a, b in pairwise(line.seen))


# -- Redis away -----------------------------------------------------------------------------------


def redis_away(model: Model, seconds: float) -> Iterator[Row]:
    """A backlog is worked off before, while and after Redis is gone."""
    with _line(model) as (line, _, folder, redis), Proxy(_port(redis)) as proxy:
        line.settings["redis.url"] = f"redis://127.0.0.1:{proxy.port}/0"
        line.open()
        line.start()
        try:
            rate = capacity(line)
            around = max(15.0, seconds / 4)
            line.send(int(rate * 4))  # a backlog all the time: the worker is never idle
            start = time.monotonic()
            forget = redis_client.Redis.from_url(redis.url).flushall  # as a restarted one has
            spent: list[float] = []

            def note() -> None:
                spent.append(cpu_s(str(folder)))

            events = {around: proxy.cut, around + 1: forget, around + seconds: proxy.mend}
            edges = (0.0, around, around + seconds, 2 * around + seconds)
            events |= {edge + 0.01: note for edge in edges}
            line.run(edges[-1] + 0.5, rate * 1.1, events)
            line.wait()
        finally:
            line.close()
        for number, what in enumerate(("before", "while Redis is away", "after")):
            begin, end = (start + edge for edge in edges[number : number + 2])
            outcomes = max(1.0, line.rate(begin, end) * (end - begin))
            yield (
                f"throughput {what}",
                f"{line.rate(begin, end):.1f} frames/s",
                f"{end - begin:.0f} s, "
                f"{1000 * (spent[number + 1] - spent[number]) / outcomes:.0f} CPU-ms a frame",
            )
        yield "lost", f"{line.lost()}", f"of {line.sent} frames"


def _port(redis: RedisSettings) -> int:
    return int(redis.url.rpartition(":")[2].partition("/")[0])


if __name__ == "__main__":
    main()
