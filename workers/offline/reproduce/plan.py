"""What a reproduction is of, and where its parts lie: one job a category, and one for all."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stream_inspector import __version__
from workers.offline.presets import find_preset, trainers_preset
from workers.offline.settings import TrainerProcessSettings
from workers.runtime.datasets.detect import CategoryFolder
from workers.runtime.errors import SettingsError
from workers.runtime.host.whole_file import write_whole

UNIFIED = "unified"  # the job of one model for all categories
OTHERS = ("cutpaste", "spade", "padim", "draem", "cflow", "uniad", "patchcore")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    data: Path
    out: Path
    methods: tuple[str, ...] = OTHERS
    minutes: str | None = None  # that each other method trains; ours: as long as ours took
    unified: bool = True
    examples: int = 2  # pictures of each figure and category


@dataclass(frozen=True, slots=True)
class Places:
    """The folder of a reproduction."""

    out: Path

    def model(self, job: str) -> Path:
        """A model as `train` writes it."""
        return self.out / "models" / job

    def results(self, job: str) -> Path:
        """What a job has measured; there when it is done."""
        return self.out / "results" / f"{job}.json"

    def figure(self, name: str) -> Path:
        """A figure, without its suffix."""
        return self.out / "figures" / name


def jobs(categories: Sequence[CategoryFolder], wanted: Wanted) -> list[str]:
    """Their names, in order: categories first, so that something is there early."""
    names = [each.name for each in categories]
    if UNIFIED in names:
        raise SettingsError(f"--data: a category may not be called {UNIFIED}")
    return [*names, UNIFIED] if wanted.unified and len(names) > 1 else names


def conditions(settings: TrainerProcessSettings, wanted: Wanted) -> dict[str, Any]:
    """What must be equal for results to stand in one table."""
    how = settings.trainer
    about = {
        "preset": trainers_preset(find_preset(how.preset), how).to_dict(),
        "init": how.init and str(how.init),
        "iterations": how.iterations,
        "methods": wanted.methods,
        "minutes": wanted.minutes,
        "seed": how.seed,
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return {"code": __version__, "preset": how.preset, "digest": digest[:16]} | {
        name: about[name] for name in ("iterations", "methods", "minutes", "seed")
    }


def done(places: Places, job: str, given: dict[str, Any]) -> dict[str, Any] | None:
    """A job's results, if there are any. Raises SettingsError for those of other settings."""
    file = places.results(job)
    if not file.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(file.read_text())
        theirs = found["conditions"]
    except (ValueError, KeyError, TypeError):
        raise SettingsError(f"{file}: is no results file; remove it to measure anew") from None
    ours = json.loads(json.dumps(given))
    if theirs != ours:
        odd = [name for name in ours if theirs.get(name) != ours[name] and name != "digest"]
        raise SettingsError(
            f"{file}: was measured with other settings ({', '.join(odd) or 'preset'}); "
            "give another --out, or remove it to measure anew"
        )
    return found


def keep(places: Places, job: str, given: dict[str, Any], found: dict[str, Any]) -> None:
    """Write a job's results; a kill in between leaves none."""
    said = json.dumps({"conditions": given, **found}, indent=1) + "\n"
    write_whole(places.results(job), said)


def plain(row: Any) -> dict[str, Any]:
    """A row of figures as JSON, without the curve."""
    return {name: value for name, value in asdict(row).items() if name != "pro"}
