"""The engine for a model: the one that was asked for, or the fastest whose outputs agree."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from stream_inspector.engine.cache import Cache, choice_key, graph_key
from stream_inspector.engine.graph import graph
from stream_inspector.engine.part import Part, Runner, disagreement, torch_runner
from stream_inspector.engine.sessions import SESSIONS, installed

TOLERANCE = 1e-3  # of an output's standard deviation; all engines compute in single precision
_MOST_BYTES = 2 << 30  # of weights: a graph is one protobuf message
TORCH, AUTO = "torch", "auto"
ENGINES = (AUTO, TORCH, *SESSIONS)
Runners = dict[str, Runner]  # by part


@dataclass(frozen=True)
class Engine:
    """The chosen runner of every part."""

    name: str
    runners: Runners
    milliseconds: dict[str, float]  # of each candidate, the examples through all parts; if timed
    reason: str


@dataclass(frozen=True)
class _Candidate:
    name: str
    runners: Runners
    fault: str  # why it cannot be used; empty: it can
    error: Exception | None = None


def choose(
    parts: Sequence[Part],
    wanted: str,
    device: torch.device,
    threads: int | None,
    cache: Cache | None = None,
) -> Engine:
    """The engine to run `parts`: the one wanted, or for "auto" the fastest that agrees.

    The others are tried on processors only. What cannot be exported runs in PyTorch. With a cache
    nothing is timed twice on a device, and nothing of the same architecture exported twice;
    outputs are compared each time, of an engine that was chosen before those of one example.
    Raises EngineMissing.
    """
    if wanted not in ENGINES:
        raise ValueError(f"engine {wanted!r} is none of {', '.join(ENGINES)}")
    eager = {part.name: torch_runner(part.module, device) for part in parts}
    if wanted == TORCH or device.type != "cpu":
        return Engine(TORCH, eager, {}, "asked for" if wanted == TORCH else "on an accelerator")
    if sum(part.bytes for part in parts) > _MOST_BYTES:
        return Engine(TORCH, eager, {}, "too large for an ONNX graph")
    count = threads or torch.get_num_threads()
    if wanted != AUTO:
        return _asked_for(wanted, parts, eager, count, cache)
    key = choice_key(parts, device, count)
    return _remembered(key, parts, eager, count, cache) or _timed(key, parts, eager, count, cache)


def _asked_for(
    name: str, parts: Sequence[Part], eager: Runners, threads: int, cache: Cache | None
) -> Engine:
    found = _candidate(name, parts, eager, threads, cache)
    if found.error is not None:
        raise found.error
    if found.fault:
        return Engine(TORCH, eager, {}, found.fault)
    return Engine(name, found.runners, {}, "asked for")


def _remembered(
    key: str, parts: Sequence[Part], eager: Runners, threads: int, cache: Cache | None
) -> Engine | None:
    """The engine that was fastest before; None when nothing is known, or it fails now."""
    kept = None if cache is None else cache.get(key)
    if kept is None:
        return None
    try:
        known = json.loads(kept)
        name = str(known["engine"])
        milliseconds = {str(each): float(ms) for each, ms in known["milliseconds"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if name == TORCH:
        return Engine(TORCH, eager, milliseconds, "fastest before")
    if name not in installed():
        return None
    found = _candidate(name, [part.first() for part in parts], eager, threads, cache)
    return None if found.fault else Engine(name, found.runners, milliseconds, "fastest before")


def _timed(
    key: str, parts: Sequence[Part], eager: Runners, threads: int, cache: Cache | None
) -> Engine:
    """The fastest of all that agree; it is remembered."""
    tried = [_candidate(name, parts, eager, threads, cache) for name in installed()]
    usable = {TORCH: eager} | {each.name: each.runners for each in tried if not each.fault}
    took = {name: _milliseconds(runners, parts) for name, runners in usable.items()}
    best = min(took, key=lambda name: took[name])
    if cache is not None and not any(_may_pass(each.error) for each in tried):
        cache.put(key, json.dumps({"engine": best, "milliseconds": took}).encode())
    faults = "; ".join(each.fault for each in tried if each.fault)
    return Engine(best, usable[best], took, "fastest" + (f" ({faults})" if faults else ""))


def _candidate(
    name: str, parts: Sequence[Part], eager: Runners, threads: int, cache: Cache | None
) -> _Candidate:
    known = cache is not None and any(cache.get(graph_key(part)) for part in parts)
    found = _attempt(name, parts, eager, threads, cache)
    if found.fault and cache is not None and known:  # a kept graph may stem from other code
        return _attempt(name, parts, eager, threads, _Anew(cache))
    return found


def _attempt(
    name: str, parts: Sequence[Part], eager: Runners, threads: int, cache: Cache | None
) -> _Candidate:
    try:
        runners = {part.name: SESSIONS[name](graph(part, cache), threads) for part in parts}
        gap = max(disagreement(eager[p.name], runners[p.name], p.example) for p in parts)
    except Exception as error:  # the exporter and the engines raise many kinds
        return _Candidate(name, {}, f"{name} failed: {type(error).__name__}", error)
    fault = f"{name} differs by {gap:.1e} deviations" if gap > TOLERANCE else ""
    return _Candidate(name, runners, fault)


def _may_pass(error: BaseException | None) -> bool:
    """Whether the system failed and not the engine: a full disk is no reason for the next start."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, OSError | MemoryError):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


class _Anew:
    """A cache that remembers nothing and keeps what is put."""

    def __init__(self, cache: Cache) -> None:
        self.put = cache.put

    def get(self, key: str) -> None:
        """Nothing."""


def _milliseconds(runners: Runners, parts: Sequence[Part], repeats: int = 5) -> float:
    """Best of a few passes of the examples through all parts."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        for part in parts:
            runners[part.name](*part.example)
        best = min(best, time.perf_counter() - start)
    return 1000 * best
