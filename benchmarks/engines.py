"""What each engine says of real images, and how fast: `make bench-engines ARGS="FOLDER ..."`.

For each category's folder: PyTorch, the plain choice (ONNX Runtime in single precision) and what is
measured to be fastest here, batch by batch in turns, so that what else the machine does meets all.
Models are trained (networks for one step: they do not score in feature-fast) unless given.
"""

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from stream_inspector.detector import Detector
from stream_inspector.engine.measure import measure
from stream_inspector.engine.sessions import usable_threads
from stream_inspector.image.view.canvas import View
from stream_inspector.model.version import Model
from stream_inspector.presets import FEATURE_FAST
from stream_inspector.threshold.budget import Budget
from stream_inspector.verdict import Verdict
from workers.offline.fit import load_good, train_category
from workers.offline.images.datasets import test_files
from workers.offline.model_folder import MANIFEST, read_model, write_model
from workers.offline.scoring.labelled import LabelledImages, read_labelled

BATCH = 8
TORCH, PLAIN, CHOSEN = "PyTorch", "plain", "chosen"


@dataclass(slots=True)
class Engine:
    """One of them at work."""

    detector: Detector
    cpu_s: float = 0.0
    wall_s: float = 0.0
    verdicts: list[Verdict] = field(default_factory=list)

    def inspect(self, images: LabelledImages, batch: range) -> None:
        """One batch, timed."""
        wall, cpu = time.perf_counter(), time.process_time()
        some, sizes = ([each[i] for i in batch] for each in (images.images, images.sizes))
        self.verdicts += self.detector.inspect(some, sizes)
        self.wall_s += time.perf_counter() - wall
        self.cpu_s += time.process_time() - cpu


def main() -> None:
    """Measure each folder's category and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="of categories, as train takes them")
    parser.add_argument("--models", type=Path, default=Path("runs/engines"), help="read or written")
    parser.add_argument("--most", type=int, default=1000, help="test images of a category")
    arguments = parser.parse_args()
    console = Console(width=150)
    columns = (
        "category",
        "images",
        "engine",
        "images/s",
        "CPU-ms an image",
        "x PyTorch",
        "x plain",
    )
    title = f"batch {BATCH}, {usable_threads()} threads, load {os.getloadavg()[0]:.1f}"
    table = Table(*columns, "other verdicts than PyTorch's", title=title)
    for folder in arguments.folders:
        model = _model(folder, arguments.models)
        images = read_labelled(test_files(folder)[: arguments.most], model.view())
        for row in rows(folder.name, engines(model), images):
            table.add_row(*row)
        table.add_section()
        console.print(f"{folder.name}: done")
    console.print(table)


def engines(model: Model) -> dict[str, Engine]:
    """All that are compared, ready."""
    threads = usable_threads()
    choice = measure(model, threads, time.perf_counter).choice
    return {
        TORCH: Engine(Detector(model, engine="torch", threads=threads)),
        PLAIN: Engine(Detector(model, threads=threads)),
        CHOSEN: Engine(Detector(model, threads=threads, measured=choice)),
    }


def rows(category: str, each: dict[str, Engine], images: LabelledImages) -> list[tuple[str, ...]]:
    """Run all images through all engines; a row of each."""
    count = len(images.images)
    for engine in each.values():
        engine.inspect(images, range(min(BATCH, count)))  # the first batch is slow
        engine.cpu_s, engine.wall_s, engine.verdicts = 0.0, 0.0, []
    for start in range(0, count, BATCH):
        for engine in each.values():
            engine.inspect(images, range(start, min(start + BATCH, count)))
    expected = each[TORCH].verdicts
    return [
        (
            category,
            str(count),
            f"{name}: {engine.detector.engine}",
            f"{count / engine.wall_s:.1f}",
            f"{1000 * engine.cpu_s / count:.1f}",
            f"{each[TORCH].wall_s / engine.wall_s:.2f}",
            f"{each[PLAIN].wall_s / engine.wall_s:.2f}",
            others(expected, engine.verdicts),
        )
        for name, engine in each.items()
    ]


def others(expected: Sequence[Verdict], found: Sequence[Verdict]) -> str:
    """How many verdicts are others, and the largest difference of scores."""
    pairs = list(zip(expected, found, strict=True))
    turned = sum(a.grade is not b.grade for a, b in pairs)
    moved = max(abs(a.image_score - b.image_score) for a, b in pairs)
    return f"{turned} (scores {moved:.1e} apart at most)"


def _model(folder: Path, models: Path) -> Model:
    place = models / folder.name
    if not (place / MANIFEST).is_file():
        good = load_good(folder, View(FEATURE_FAST.input_size))
        budget = Budget(image_false_reject=0.05)
        made = train_category(
            *(good, folder.name, FEATURE_FAST),
            seed=0,
            budget=budget,
            iterations=1,
            eight_bits=True,
        )
        write_model(made, place)
    return read_model(place)


if __name__ == "__main__":
    main()
