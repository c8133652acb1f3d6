"""Servers, workers, notifier and cameras of one run, in the order that frames need them."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from workers.demo.books.observer import Observer
from workers.demo.settings import DemoSettings
from workers.demo.stage.brokers import BROKERS
from workers.demo.stage.folder import RunFolder, write_poison
from workers.demo.stage.pages import Pages
from workers.demo.stage.plan import (
    Addresses,
    Load,
    camera_flags,
    explainer_flags,
    notifier_flags,
    poison_flags,
    worker_flags,
)
from workers.demo.stage.processes import Child, flags, free_port, wait_until_ready
from workers.runtime.bus.kafka.connect import connect_consumer, create_topics
from workers.runtime.decoders.current import current
from workers.runtime.decoders.settings import ImagesSection
from workers.runtime.errors import Fatal
from workers.runtime.lifecycle import StopSignal
from workers.runtime.registry.registry import Registry
from workers.runtime.servers.embedded import EmbeddedStore
from workers.runtime.settings.process import KafkaSettings, RedisSettings, TopicSettings
from workers.runtime.store.files import open_blobs
from workers.runtime.store.redis import connect_store

_WORKER_GRACE_S, _GRACE_S = 25.0, 15.0
_FEWEST_PARTITIONS = 4


class ProcessFailed(Fatal):
    """One of our processes ended with an error; the message holds the end of its log."""


@dataclass(slots=True)
class Children:
    """Everything that runs beside us."""

    cameras: list[Child] = field(default_factory=list)
    workers: list[Child] = field(default_factory=list)
    explainer: Child | None = None
    notifier: Child | None = None
    console: Child | None = None

    def all(self) -> list[Child]:
        """In the order of stopping: first what makes frames."""
        single = (self.explainer, self.notifier, self.console)
        return [*self.cameras, *self.workers, *(child for child in single if child is not None)]

    @property
    def sending(self) -> bool:
        """Whether a camera still runs."""
        return any(camera.code is None for camera in self.cameras)

    @property
    def explaining(self) -> bool:
        """Whether the explainer still runs."""
        return self.explainer is not None and self.explainer.code is None

    @property
    def inspecting(self) -> bool:
        """Whether a worker still runs."""
        return any(worker.code is None for worker in self.workers)


class Stage:
    """Enter it to start the servers; leave it and everything has stopped."""

    def __init__(self, settings: DemoSettings, load: Load, run: RunFolder) -> None:
        self._settings, self._load, self._run = settings, load, run
        self._stack = ExitStack()
        self.children = Children()
        self.pages = Pages(free_port()) if settings.console else None
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            kind = BROKERS[self._settings.broker]
            broker = starting.enter_context(kind.start())
            store = starting.enter_context(EmbeddedStore())
            partitions = max(_FEWEST_PARTITIONS, self._settings.cameras, self._settings.workers)
            self.at = Addresses(
                KafkaSettings(
                    bootstrap_servers=broker.bootstrap_servers,
                    max_frame_bytes=current().rules.limits.max_bytes,
                    **kind.kafka,
                ),
                RedisSettings(url=store.url),
                TopicSettings(partitions=partitions),
            )
            names = self.at.topics.names()
            counts = dict.fromkeys(names, 1) | {self.at.topics.frames: partitions}
            create_topics(self.at.kafka, counts)
            self._stack = starting.pop_all()
        return self

    def publish_model(self, version: str, manifest: bytes, tensors: bytes) -> None:
        """Put the model into the registry, as `model push --activate` does."""
        blobs = open_blobs(str(self._run.folder("models")))
        registry = Registry(blobs, connect_store(self.at.redis))
        registry.push([self._load.category], version, manifest, tensors)
        registry.activate(self._load.category, version, "demo", "the demo's model")

    def observe(self) -> Observer:
        """Start the independent reader."""
        topics = self.at.topics
        read = [topics.outcomes, topics.defects, topics.explanations]
        read += [topics.dead_letters, topics.alarms]
        observer = Observer(
            lambda: connect_consumer(self.at.kafka, "demo-observer", read, "demo-observer"),
            topics,
            self._run.outcomes,
        )
        observer.start()
        return observer

    def start_inspection(self, engine: str, stop: StopSignal) -> None:
        """Start workers, explainer, notifier and console; returns when those that must are ready.

        Raises ProcessFailed with the end of the log of the one that is not.
        """
        ports = {}
        self.children.notifier = self._child("notifier", notifier_flags(self._run), _GRACE_S)
        for number in range(self._settings.workers):
            port = free_port()
            given = worker_flags(
                number, self._settings, self._load, self._run, engine=engine, port=port
            )
            given |= ImagesSection.flags(current().rules)
            ports[port] = self._child("worker", given, _WORKER_GRACE_S, f"worker-{number + 1}")
        self.children.workers = list(ports.values())
        given = explainer_flags(self._settings, self._run)
        grace_s, name = _WORKER_GRACE_S, "explainer"
        self.children.explainer = self._child(name, given, grace_s)
        ports |= self._start_console()
        late = wait_until_ready(ports, self._settings.ready_s, stop)
        if late is not None:
            what = "is not ready" if late.code is None else f"ended with status {late.code}"
            raise ProcessFailed(f"{late.name} {what}:\n{late.tail()}")

    def _start_console(self) -> dict[int, Child]:
        if self.pages is None:
            return {}
        port = free_port()
        given = self.pages.flags(self._run) | {"health.port": port}
        environment = self.pages.environment()
        console = self._child("console", given, _GRACE_S, environment=environment)
        self.children.console = console
        return {port: console}

    def start_cameras(self) -> None:
        """Let the frames come."""
        given = camera_flags(self._settings, self._load, self._run)
        self.children.cameras.append(self._child("camera", given, _GRACE_S))
        if self._settings.poison:
            files = write_poison(self._run.folder("poison"), self._settings.poison)
            broken = poison_flags(self._settings, self._load, self._run, files)
            self.children.cameras.append(self._child("camera", broken, _GRACE_S, "camera-broken"))

    def stop_processes(self, on_wait: Callable[[str], None] = lambda _: None) -> None:
        """Stop cameras, then workers (they finish what they have), explainer, notifier.

        The console stays until the servers stop.
        """
        self.failures = [failure(child) for child in self.children.all() if child.failed]
        ended = {child.name for child in self.children.all() if child.code is not None}
        children = self.children
        single = ([children.explainer], [children.notifier])
        for group in (children.cameras, children.workers, *single):
            running = [child for child in group if child is not None]
            for child in running:
                child.ask_to_stop()
            for child in running:
                on_wait(child.name)
                if child.stop() != 0 and child.name not in ended:
                    self.failures.append(failure(child))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop_processes()
        finally:
            if self.children.console is not None:
                self.children.console.stop()
            self._stack.close()

    def _child(
        self,
        command: str,
        given: dict[str, object],
        grace_s: float,
        name: str = "",
        *,
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        arguments = [command, *flags(self.at.flags() | given)]
        logs = self._run.folder("logs")
        return Child(name or command, arguments, logs, grace_s, environment)


def failure(child: Child) -> str:
    """What went wrong with a process, with the end of its log."""
    return f"{child.name} ended with status {child.code}:\n{child.tail()}"
