"""`stream-inspector model`, on a folder without Redis."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from stream_inspector.model.version import Model, save_model
from stream_inspector.presets import PRESETS
from stream_inspector.threshold.budget import Budget
from stream_inspector.threshold.calibrate import calibrate
from workers.cli import app
from workers.offline.model_folder import write_model
from workers.runtime.registry.registry import Registry, Superseded, UnknownVersion
from workers.runtime.store.files import open_blobs

QUIET = ("--set", "redis.url=redis://127.0.0.1:9/0", "--set", "redis.timeout_s=0.2")


def made(seed: int, *categories: str, spread: float = 1.0) -> Model:
    """Not a working model, but a whole one."""
    generator = np.random.default_rng(0)
    maps = spread * generator.random((40, 8, 8)).astype(np.float32)
    thresholds = calibrate(maps, maps.max((1, 2)).astype(np.float64), Budget(0.2, 0.01))
    return Model(
        categories=categories or ("bolts",),
        preset=PRESETS["pixel-small"],
        tensors={"w": torch.full((3,), float(seed))},
        provenance={"seed": seed, "code_version": "1.2", "data_digest": "d" * 8},
        calibrations=dict.fromkeys(categories or ("bolts",), thresholds),
    )


class Operator:
    """Somebody at a terminal, with a model store in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = Registry(open_blobs(str(folder / "store")))

    def run(self, *words: object, code: int = 0) -> str:
        arguments = ["model", *map(str, words), "--store", str(self.folder / "store"), *QUIET]
        result: Result = CliRunner().invoke(app, arguments)
        assert result.exit_code == code, result.output
        return result.output

    def push(self, model: Model, *words: object) -> str:
        folder = self.folder / model.version
        write_model(model, folder)
        self.run("push", folder, *words)
        return model.version


@pytest.fixture
def anna(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


@pytest.mark.slow
def test_a_version_is_pushed_activated_and_rolled_back(anna: Operator) -> None:
    old, new = anna.push(made(1), "--activate"), anna.push(made(2))
    told = anna.run("activate", "bolts", new[:6], "--why", "new lens", "--by", "anna")
    assert f"version {new} is active (activation 2)" in told
    told = anna.run("rollback", "bolts", "--why", "rejects too much")
    assert f"version {old} is active (activation 3)" in told
    assert f"{new} is active" in anna.run("rollback", "bolts", "--why", "it was the lamp")
    entries = anna.registry.history("bolts")
    assert [entry.version for entry in entries] == [old, new, old, new]
    assert (entries[1].by, entries[1].why) == ("anna", "new lens")
    assert entries[2].why == "rollback: rejects too much"
    listed = anna.run("list", "bolts")
    for words in ("new lens", "rollback: it was the lamp", old, new, "active"):
        assert words in listed
    assert new in anna.run("list")


@pytest.mark.slow
def test_there_is_nothing_to_go_back_to_at_first(anna: Operator) -> None:
    anna.push(made(1), "--activate")
    assert "nothing to go back to" in anna.run("rollback", "bolts", "--why", "x", code=65)
    assert len(anna.registry.history("bolts")) == 1


@pytest.mark.parametrize("command", ["activate", "rollback"])
@pytest.mark.slow
def test_an_operator_who_looked_too_early_is_told_whose_change_came_between(
    anna: Operator, command: str
) -> None:
    old, new = anna.push(made(1), "--activate"), anna.push(made(2))
    anna.run("activate", "bolts", new, "--by", "ben", "--why", "night shift")
    words = [old] if command == "activate" else []
    told = anna.run(command, "bolts", *words, "--why", "x", "--expect", 1, code=75)
    told = " ".join(told.split())
    assert f"ben made version {new} active" in told
    assert "night shift" in told
    assert "nothing was changed" in told
    assert anna.registry.active("bolts") == new
    anna.run(command, "bolts", *words, "--why", "x", "--expect", 2)
    assert anna.registry.active("bolts") == old


@pytest.mark.slow
def test_a_version_shows_where_it_comes_from_and_what_it_promises(anna: Operator) -> None:
    version = anna.push(made(7), "--activate", "--why", "first")
    other = anna.push(made(8))
    shown = anna.run("show", "bolts")  # the active one
    promise = made(7).calibrations["bolts"].promise[:60]
    for words in (version, "provenance seed", "dddddddd", promise, "first", "image_threshold"):
        assert words in shown
    assert other not in shown
    assert "No Redis" not in shown  # it would change nothing
    assert "No Redis" in anna.run("activate", "bolts", version)
    assert "first" not in anna.run("show", other)


@pytest.mark.slow
def test_two_versions_side_by_side(anna: Operator) -> None:
    first, second = anna.push(made(1)), anna.push(made(2, spread=2.0))
    told = anna.run("diff", first, second)
    assert "provenance seed" in told
    assert "+100.0%" in told  # thresholds
    assert "+1 " in told  # seed
    assert "image_threshold" in told
    assert "1 differ" in told
    assert "code_version" not in told
    assert "code_version" in anna.run("diff", first, second, "--all")
    assert "the same" in anna.run("diff", first, first)


@pytest.mark.slow
def test_names_that_fit_none_or_many(anna: Operator) -> None:
    for version in ("abc1", "abc2"):
        anna.registry.push(["bolts"], version, b"{}", b"")
    assert "no version begins so" in anna.run("show", "xyz", code=65)
    assert "give more characters" in anna.run("show", "abc", code=65)
    anna.run("activate", "bolts", "abc2")
    assert anna.registry.active("bolts") == "abc2"


@pytest.mark.slow
def test_a_model_without_thresholds_is_not_pushed(anna: Operator) -> None:
    folder = anna.folder / "bare"
    write_model(replace(made(1), calibrations={}), folder)
    assert "no thresholds for bolts" in " ".join(anna.run("push", folder, code=65).split())
    assert anna.registry.every_version() == []


@pytest.mark.slow
def test_gc_shows_first_and_removes_when_told(anna: Operator) -> None:
    old, new = anna.push(made(1), "--activate"), anna.push(made(2), "--activate")
    assert "in the last 3 activations" in anna.run("gc")
    told = anna.run("gc", "--keep-last", 1)
    assert "events name it" in told
    assert "0 of 2 versions would be removed" in told
    told = anna.run("gc", "--keep-days", 0, "--keep-last", 1)
    assert "1 of 2 versions would be removed" in told
    assert anna.registry.every_version() == sorted([old, new])
    assert "1 versions removed" in anna.run("gc", "--keep-days", 0, "--keep-last", 1, "--apply")
    assert anna.registry.every_version() == [new]
    assert "no version" in anna.run("activate", "bolts", old, code=65)
    assert "ok: 1 versions, 2 activations" in anna.run("verify")


@pytest.mark.slow
def test_verify_names_what_is_damaged_and_fails(anna: Operator) -> None:
    version = anna.push(made(1), "--activate")
    assert "ok: 1 versions, 1 activations" in anna.run("verify")
    file = anna.folder / f"store/models/{version}/tensors.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    told = " ".join(anna.run("verify", code=65).split())
    assert f"tensors of version {version}" in told
    assert f"bolts: the active version {version} is missing or wrong" in told


@pytest.mark.slow
def test_a_broken_activation_is_named_followed_and_moved_aside(anna: Operator) -> None:
    version = anna.push(made(1), "--activate")
    records = anna.folder / "store/categories/bolts/activations"
    (records / "00000002.json").write_text('{"number": 2, "vers')
    (records / "Thumbs.db").write_bytes(b"junk")
    (anna.folder / "store/models/Thumbs.db").write_bytes(b"junk")
    assert "00000002.json is broken" in " ".join(anna.run("verify", code=65).split())
    assert version in anna.run("list")
    assert version in anna.run("list", "bolts")
    assert f"version {version} is active (activation 3)" in anna.run("activate", "bolts", version)
    assert "00000002.json is broken" in " ".join(anna.run("verify", code=65).split())
    told = " ".join(anna.run("verify", "--repair").split())
    assert "moved aside: categories/bolts/activations/00000002.json" in told
    assert "ok: 1 versions, 2 activations" in told
    assert "ok" in anna.run("verify")


@pytest.mark.slow
def test_a_version_that_cannot_be_read_does_not_hide_the_others(anna: Operator) -> None:
    whole, broken = anna.push(made(1)), anna.push(made(2))
    (anna.folder / f"store/models/{broken}/manifest.json").write_bytes(b"{")
    listed = anna.run("list", "bolts")
    assert whole in listed
    assert "not readable" in listed


@pytest.mark.slow
def test_a_store_that_cannot_create_exclusively_is_told(anna: Operator) -> None:
    anna.push(made(1))
    warning = "cannot create a file exclusively"
    assert warning not in anna.run("gc")
    chained = f"simplecache::file://{anna.folder}/store"
    arguments = ["model", "gc", "--store", chained, *QUIET]
    told = CliRunner().invoke(app, arguments).output
    assert warning in told


ROUNDS, OPERATORS = 60, 3
CONTENDER = """
import sys
from pathlib import Path
from workers.runtime.registry.registry import Registry, Superseded
from workers.runtime.store.files import open_blobs
registry, me, ring = Registry(open_blobs(sys.argv[1])), sys.argv[2], Path(sys.argv[3])
for seen in range({rounds}):
    (ring / f"{{seen}}-{{me}}").touch()
    while len(list(ring.glob(f"{{seen}}-*"))) < {operators}:
        pass
    try:
        registry.activate("bolts", "v1", by=me, why=f"round {{seen}}", expect=seen + 1)
    except Superseded as error:
        print(f"told {{seen}}: {{error}}")
    else:
        print(f"won {{seen}}")
"""


@pytest.mark.integration
def test_two_operators_at_once_many_times(anna: Operator) -> None:
    """Processes that begin each round together: one wins, the others learn who it was."""
    anna.registry.push(["bolts"], "v1", b"", b"")
    anna.registry.activate("bolts", "v1", by="test", why="start")
    program = CONTENDER.format(rounds=ROUNDS, operators=OPERATORS)
    (anna.folder / "ring").mkdir()
    store, ring = str(anna.folder / "store"), str(anna.folder / "ring")
    command = [sys.executable, "-c", program, store]
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen([*command, f"op-{n}", ring], **options) for n in range(OPERATORS)]
    lines = {f"op-{n}": each.communicate(timeout=120)[0] for n, each in enumerate(started)}
    history = anna.registry.history("bolts")
    assert [entry.number for entry in history] == list(range(1, ROUNDS + 2))
    told = re.compile(
        r"bolts: activation \d+ was the last one seen, but op-\d made version v1 active"
    )
    for seen, entry in enumerate(history[1:]):
        assert [name for name, text in lines.items() if f"won {seen}\n" in text] == [entry.by]
        for loser in lines.keys() - {entry.by}:
            answer = next(x for x in lines[loser].splitlines() if x.startswith(f"told {seen}:"))
            assert told.search(answer)


COLLECTOR = """
import sys
from datetime import UTC, datetime
from workers.runtime.registry.registry import Registry, Superseded, UnknownVersion
from workers.runtime.registry.care import Retention, collect
from workers.runtime.store.files import open_blobs
registry = Registry(open_blobs(sys.argv[1]))
removed = 0
print("begun", flush=True)
while registry.last("bolts").number < int(sys.argv[2]):
    for version in registry.every_version():
        kept = collect(registry, version, Retention(1, 0), "gc", datetime.now(UTC))
        removed += kept is None
print(removed)
"""


@pytest.mark.integration
def test_gc_runs_while_somebody_activates(anna: Operator) -> None:
    """Two processes on one folder: what is active is always whole, whatever gc takes."""
    registry, rounds = anna.registry, 60
    models = [made(1), made(2)]
    files = [save_model(model) for model in models]

    def push(number: int) -> None:
        registry.push(
            ["bolts"], models[number].version, files[number].manifest, files[number].tensors
        )

    push(0)
    registry.activate("bolts", models[0].version, by="anna", why="")
    program = [sys.executable, "-c", COLLECTOR, str(anna.folder / "store"), str(rounds)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "begun\n"
        while (last := registry.last("bolts")) and last.number < rounds:
            try:
                push(last.number % 2)
                registry.activate("bolts", models[last.number % 2].version, by="anna", why="")
            except (Superseded, UnknownVersion):  # gc was faster
                pass
            active = registry.active("bolts")
            assert active is not None
            registry.stored(active)
        removed = int(other.communicate(timeout=60)[0])
    assert removed > 0
    assert "ok" in anna.run("verify")
