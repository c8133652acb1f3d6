"""`sh benchmarks/accelerator.sh`: one part after the other within a time, a report after each.

The weights are random: neither speed nor memory nor the agreement of precisions needs others.
"""

import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.accelerator import ceiling, counterparts, scoring, training
from benchmarks.accelerator.report import markdown
from benchmarks.accelerator.row import Row, paper_row, small_row

MINUTES = 7.5


@dataclass
class Report:
    """What is known so far."""

    out: Path
    row: Row
    seconds: float
    found: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Seconds."""
        return self.seconds - (time.monotonic() - self.began)

    def add(self, name: str, work: Callable[[Row, Callable[[], float]], Any]) -> None:
        """One part; what fails or does not fit any more is said and costs only itself."""
        start = time.monotonic()
        if self.left() <= 0:
            self.found[name] = {"left out": "no time was left"}
        else:
            try:
                self.found[name] = work(self.row, self.left)
            except Exception as error:  # a driver's, a compiler's or an allocator's: all are news
                self.found[name] = {"failed": f"{type(error).__name__}: {str(error)[:500]}"}
        self.found.setdefault("seconds", {})[name] = round(time.monotonic() - start, 1)
        self._write()
        print(f"{name}: {json.dumps(self.found[name])[:400]}", flush=True)

    def _write(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "report.json").write_text(json.dumps(self.found, indent=1) + "\n")
        (self.out / "report.md").write_text(markdown(self.found))


def main(
    *,
    out: Annotated[Path, typer.Option(help="folder to write")] = Path("accelerator"),
    device: Annotated[str, typer.Option(help="cuda or cpu; default: cuda where there is one")] = "",
    small: Annotated[bool, typer.Option(help="the row made small: seconds on a processor")] = False,
    minutes: Annotated[float, typer.Option(help="after which no part begins")] = MINUTES,
) -> None:
    """Measure, in the order of what matters most."""
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    row = small_row(chosen) if small else paper_row(chosen)
    report = Report(out, row, 60 * minutes)
    report.found["machine"] = {
        "hardware": _hardware(chosen),
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "small": small,
        "parameters": row.parameters,
    }
    report.add("agreement", scoring.agreement)
    report.add("training", training.measure)
    report.add("scoring", scoring.measure)
    report.add("released loop", scoring.released)
    report.add("ceiling", ceiling.measure)
    report.add("counterparts", counterparts.measure)
    report.add("compiled", scoring.compiled)


def _hardware(device: torch.device) -> str:
    """The processor's or the accelerator's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


if __name__ == "__main__":
    typer.run(main)
