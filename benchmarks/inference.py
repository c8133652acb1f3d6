"""How fast the detector is, against the released loop and the device's ceiling.

`make bench-inference`: images a second and memory for each preset, engine, precision and batch.
Every row is measured in a process of its own, one after the other; medians of several runs.
"""

import json
import multiprocessing
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.convolutions import Ceiling, ceiling, settle, shapes_of
from benchmarks.released_loop import ReleasedLoop
from stream_inspector.detector import Detector
from stream_inspector.diffusion.precision import mixed
from stream_inspector.engine.sessions import installed
from stream_inspector.features import load_feature_net
from stream_inspector.image.view.canvas import View
from stream_inspector.model.assembly import unpack_network
from stream_inspector.presets import PRESETS
from stream_inspector.synthetic import render
from stream_inspector.training.fit import fit
from stream_inspector.verdict import Image
from workers.offline.fit import synthetic_good
from workers.offline.model_folder import read_model, write_model

EMBEDDED = ("feature-fast", "feature-diffusion", "pixel-small")
PORT = "released loop"
_LEAST_S = 0.3  # of a run: shorter ones are repeated


@dataclass(frozen=True, slots=True)
class Task:
    """What one process measures."""

    folder: Path
    preset: str
    engine: str
    precision: str
    device: str
    threads: int
    batches: tuple[int, ...]
    runs: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    preset: str
    engine: str
    precision: str
    batch: int
    images_per_second: float
    memory_mib: float  # resident after the batch; the peak of an accelerator's
    gap: float | None  # largest difference of the maps from PyTorch fp32, in their deviations
    ceiling: Ceiling | None = None
    port: float | None = None  # images a second of the released loop

    @property
    def speedup(self) -> float | None:
        """Over the released loop."""
        return None if self.port is None else self.images_per_second / self.port

    @property
    def share(self) -> float | None:
        """Of the ceiling."""
        return None if self.ceiling is None else self.images_per_second * self.ceiling.seconds


def main(
    *,
    preset: Annotated[list[str] | None, typer.Option(help="repeatable; default: embedded")] = None,
    engine: Annotated[list[str] | None, typer.Option(help="repeatable; default: all here")] = None,
    precision: Annotated[list[str] | None, typer.Option(help="fp32, bf16 (torch only)")] = None,
    batches: Annotated[str, typer.Option(help="comma-separated")] = "1,4,8,16",
    runs: Annotated[int, typer.Option(help="medians of so many")] = 5,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    threads: Annotated[int, typer.Option(help="0: as many as PyTorch takes")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json")] = None,
    markdown: Annotated[Path | None, typer.Option(help="also write the table there")] = None,
) -> None:
    """Measure and print one table.

    Example: python -m benchmarks.inference --preset feature-fast --batches 1,8 --json speed.json
    """
    console, sizes = Console(width=140), tuple(int(each) for each in batches.split(","))
    count = threads or torch.get_num_threads()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in preset or EMBEDDED:
            _write_model(name, Path(folder))
            for chosen, kind in _variants(engine, precision, device):
                task = Task(Path(folder), name, chosen, kind, device, count, sizes, runs)
                rows += _alone(_measure, task)
                console.print(f"  {name} {chosen} {kind}: done")
            given = Task(Path(folder), name, PORT, "fp32", device, count, sizes, runs)
            rows = _compared(rows, name, _alone(_measure_port, given), _alone(_ceilings, given))
    console.print(_table(rows, count, device))
    if json_file:
        json_file.write_text(json.dumps(_figures(rows, count, device), indent=1) + "\n")
    if markdown:
        markdown.write_text(_markdown(rows, count, device))


def _variants(
    engines: Sequence[str] | None, precisions: Sequence[str] | None, device: str
) -> Iterator[tuple[str, str]]:
    """Engine and precision of every process; PyTorch fp32 first: the others' maps are held to it.

    bf16 only where the device has it: elsewhere a single batch takes minutes.
    """
    gpu = device != "cpu"
    fast_bf16 = gpu or torch.cpu._is_amx_tile_supported()
    wanted = precisions or (("fp32", "bf16") if fast_bf16 else ("fp32",))
    chosen = ("torch",) if gpu else tuple(engines or ("torch", *installed()))
    for name in sorted(chosen, key=lambda each: each != "torch"):
        yield name, "fp32"
        if name == "torch" and "bf16" in wanted:
            yield name, "bf16"


def _write_model(name: str, folder: Path) -> None:
    """A model trained for one step: speed does not depend on the weights."""
    preset = PRESETS[name]
    good = synthetic_good(30, 0, View(preset.input_size))
    model = fit(good.train, good.select, "flange", preset, 0, lambda _: None, 1)
    write_model(model, folder / name)


def _alone(work: Callable[[Task], Any], task: Task) -> Any:
    """Run in a process of its own: nothing else in its memory, nothing left of the last."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(work, task).result()


def _measure(task: Task) -> list[Row]:
    torch.set_num_threads(task.threads)
    model = read_model(task.folder / task.preset)
    detector = Detector(model, task.device, task.engine, task.threads)
    if task.precision == "bf16":
        _in_bf16(detector, model)
    images = _images(max(task.batches), model.preset.input_size)
    gap = _gap(detector.score(images[:1]).maps[0], task)
    rows = []
    for batch in sorted(task.batches):
        rate = _rate(lambda some=images[:batch]: detector.score(some), batch, task)
        memory = _memory_mib(task.device)
        rows.append(Row(task.preset, detector.engine, task.precision, batch, rate, memory, gap))
    return rows


def _in_bf16(detector: Detector, model: Any) -> None:
    """The networks' inside in bfloat16; all that is compared stays in single precision."""
    net = unpack_network("network", model.preset.scoring, model.tensors).to(detector.device)
    scorer: Any = detector._scorer
    scorer.use(mixed(net, torch.device(detector.device)))


def _gap(score_map: np.ndarray, task: Task) -> float | None:
    """Against PyTorch in single precision, which leaves its map for the others."""
    file = task.folder / f"{task.preset}.npy"
    if task.engine == "torch" and task.precision == "fp32":
        np.save(file, score_map)
    if not file.exists():
        return None
    reference = np.load(file)
    return float(np.abs(score_map - reference).max() / reference.std())


def _measure_port(task: Task) -> float:
    """Images a second of the released loop, one at a time."""
    torch.set_num_threads(task.threads)
    model = read_model(task.folder / task.preset)
    loop, (image,) = ReleasedLoop(model, task.device), _images(1, model.preset.input_size)
    return _rate(lambda: loop.score(image), 1, task)


def _ceilings(task: Task) -> dict[int, Ceiling]:
    """By batch: both networks' convolutions, the U-Net's at all noise levels."""
    torch.set_num_threads(task.threads)
    model, device = read_model(task.folder / task.preset), torch.device(task.device)
    preset, scoring = model.preset, model.preset.scoring
    features = shapes_of(
        load_feature_net(preset.grid, preset.backbone), torch.zeros(1, 3, *preset.input_size)
    )
    x = torch.zeros(1, scoring.channels, *scoring.size)
    network = unpack_network("network", scoring, model.tensors)
    unet = shapes_of(network, x, torch.tensor([scoring.score_steps[0]]))
    found = {}
    for batch in task.batches:
        one, levels = ceiling(features, batch, device), len(scoring.score_steps)
        other = ceiling(unet, batch * levels, device)
        found[batch] = Ceiling(
            one.gflop + levels * other.gflop, one.seconds + levels * other.seconds
        )
    return found


def _rate(work: Callable[[], object], images: int, task: Task) -> float:
    """Images a second: the median of several runs, each long enough to be timed."""
    device = torch.device(task.device)
    work()
    start = time.perf_counter()
    work()
    settle(device)
    repeats = max(1, round(_LEAST_S / (time.perf_counter() - start)))
    rates = []
    for _ in range(task.runs):
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        settle(device)
        rates.append(repeats * images / (time.perf_counter() - start))
    return statistics.median(rates)


def _images(count: int, size: tuple[int, int]) -> list[Image]:
    return [render(i, 1, None, size).image for i in range(count)]


def _memory_mib(device: str) -> float:
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 2**20
    return psutil.Process().memory_info().rss / 2**20


def _compared(
    rows: Sequence[Row], preset: str, port: float, ceilings: dict[int, Ceiling]
) -> list[Row]:
    """The preset's rows beside what they are compared with, and the loop's own."""
    seen = [
        Row(**_plain(row) | {"ceiling": ceilings[row.batch], "port": port})
        if row.preset == preset
        else row
        for row in rows
    ]
    return [*seen, Row(preset, PORT, "fp32", 1, port, 0.0, None, ceilings.get(1), port)]


def _plain(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Row.__slots__}


_HEAD = (
    *("preset", "engine", "precision", "batch", "images/s", "ms/image"),
    *("x released loop", "% of ceiling", "ceiling GFLOP/s", "memory MiB", "map gap"),
)


def _cells(row: Row) -> list[str]:
    return [
        row.preset,
        row.engine,
        row.precision,
        str(row.batch),
        f"{row.images_per_second:.1f}",
        f"{1000 / row.images_per_second:.1f}",
        "" if row.speedup is None else f"{row.speedup:.1f}",
        "" if row.share is None else f"{100 * row.share:.0f}",
        "" if row.ceiling is None else f"{row.ceiling.gflop_per_second:.0f}",
        f"{row.memory_mib:.0f}" if row.memory_mib else "",
        "" if row.gap is None else f"{row.gap:.0e}",
    ]


def _title(threads: int, device: str) -> str:
    return f"{_hardware(device)}, {threads} threads, torch {torch.__version__}"


def _hardware(device: str) -> str:
    """The device's name, and for a processor the instructions that it has."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{next(named, platform.machine())} {torch.backends.cpu.get_cpu_capability()}"


def _table(rows: Sequence[Row], threads: int, device: str) -> Table:
    table = Table(title=_title(threads, device))
    for i, name in enumerate(_HEAD):
        table.add_column(name, justify="right" if i > 2 else "left")
    for i, row in enumerate(rows):
        if i and row.preset != rows[i - 1].preset:
            table.add_section()
        table.add_row(*_cells(row), style="dim" if row.engine == PORT else None)
    return table


def _markdown(rows: Sequence[Row], threads: int, device: str) -> str:
    lines = [_title(threads, device), "", f"| {' | '.join(_HEAD)} |", "|---" * len(_HEAD) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(_cells(row))} |" for row in rows)]) + "\n"


def _figures(rows: Sequence[Row], threads: int, device: str) -> dict[str, Any]:
    libraries = ("torch", "onnxruntime", *(["openvino"] if "openvino" in installed() else []))
    return {
        "hardware": _hardware(device),
        "threads": threads,
        "platform": platform.platform(),
        "versions": {name: version(name) for name in libraries},
        "rows": [asdict(row) | {"speedup": row.speedup, "share": row.share} for row in rows],
    }


if __name__ == "__main__":
    typer.run(main)
