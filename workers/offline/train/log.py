"""training.csv: every step of a training, for a spreadsheet or a plot."""

import csv
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from torch import Tensor

from stream_inspector.training.progress import Progress

FILE = "training.csv"
COLUMNS = ("stage", "step", "loss", "learning_rate", "seconds")


class TrainingLog:
    """Appends a row for each step that trains a network.

    A resumed training repeats the steps since its checkpoint: their rows are dropped first.
    """

    def __init__(self, path: Path, resumed: Mapping[str, Tensor]) -> None:
        steps = {
            name.removesuffix("/steps"): int(value)
            for name, value in resumed.items()
            if name.endswith("/steps")
        }
        kept = [row for row in _read(path) if int(row["step"]) <= steps.get(row["stage"], -1)]
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", newline="", buffering=1)  # whole lines, also when killed
        self._rows = csv.DictWriter(self._file, COLUMNS)
        self._rows.writeheader()
        self._rows.writerows(kept)
        before = float(kept[-1]["seconds"]) if kept else 0.0
        self._start = time.monotonic() - before

    def add(self, progress: Progress) -> None:
        """A row, when the progress is a network's."""
        if progress.loss is None:
            return
        self._rows.writerow(
            {
                "stage": progress.stage,
                "step": progress.step,
                "loss": f"{progress.loss:.6g}",
                "learning_rate": f"{progress.learning_rate:.6g}",
                "seconds": f"{time.monotonic() - self._start:.3f}",
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def _read(path: Path) -> list[dict[str, str]]:
    """The rows that are there; a line cut by a kill is none."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if all(row.get(name) for name in COLUMNS)]
