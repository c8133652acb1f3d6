"""What a model's thresholds promise, said in the terminal."""

from rich.console import Console

from stream_inspector.model.version import Model
from workers.runtime.host.terminal import text


def say_promises(model: Model, console: Console) -> None:
    """What each category's thresholds promise."""
    for name, calibration in model.calibrations.items():
        before = f"{name}: " if len(model.categories) > 1 else ""
        console.print(text(f"{before}{calibration.promise}"))
