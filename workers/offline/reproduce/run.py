"""What `reproduce` does: each job that is not done yet in a process of its own, then the pages."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from workers.offline.images.datasets import CategoryFolder, categories_in, licence_notes
from workers.offline.progress import in_words
from workers.offline.reproduce import drawing
from workers.offline.reproduce.job import FIGURES, Job
from workers.offline.reproduce.plan import OTHERS, Places, Wanted, conditions, done, jobs, keep
from workers.offline.reproduce.tables import write_tables
from workers.offline.run import Interrupted, Unusable
from workers.offline.settings import TrainerProcessSettings
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import text
from workers.runtime.lifecycle import StopSignal

_POLL_S = 0.2
Launch = Callable[[str, StopSignal], int]  # a job, by its name -> its exit code


def reproduce(
    settings: TrainerProcessSettings,
    wanted: Wanted,
    console: Console,
    stop: StopSignal,
    launch: Launch,
) -> None:
    """Run what is missing, and write tables and figures of all that is there.

    Raises Unusable where a job failed: the others are done, and the same command tries it again.
    """
    check(wanted)
    categories = categories_in(wanted.data, settings.trainer.layout)
    for note in licence_notes(categories):
        console.print(text(note))
    names, places = jobs(categories, wanted), Places(wanted.out)
    given = conditions(settings, wanted)
    missing = [name for name in names if done(places, name, given) is None]
    console.print(text(f"{len(names)} jobs, {len(names) - len(missing)} of them done"))
    failed, start = list[str](), time.monotonic()
    for number, name in enumerate(missing):
        console.print(text((name, "bold"), f": job {number + 1} of {len(missing)}"))
        if launch(name, stop):
            failed.append(name)
        if stop.is_set():
            raise Interrupted("interrupted; the same command goes on from here")
        _tell_left(console, time.monotonic() - start, number + 1, len(missing))
    _pages(places, names, given, console)
    if failed:
        raise Unusable(f"{', '.join(failed)}: failed, as said above; the same command tries again")


def run_job(
    settings: TrainerProcessSettings, wanted: Wanted, name: str, console: Console, stop: StopSignal
) -> None:
    """One job in this process. Raises SettingsError for a name that is none of them."""
    check(wanted)
    categories: Sequence[CategoryFolder] = categories_in(wanted.data, settings.trainer.layout)
    names = jobs(categories, wanted)
    if name not in names:
        raise SettingsError(f"--job: no {name!r}; there are {', '.join(names)}")
    places, given = Places(wanted.out), conditions(settings, wanted)
    if done(places, name, given) is None:
        start = time.monotonic()
        found = Job(settings, wanted, categories, console, stop).run(name)
        seconds = round(time.monotonic() - start, 1)
        keep(places, name, given, {"seconds": seconds, **found})


def in_a_process(arguments: Sequence[str]) -> Launch:
    """Jobs as this command again, which leave no memory behind; a stop is handed on."""

    def launch(name: str, stop: StopSignal) -> int:
        command = [sys.executable, "-m", "workers.cli", "reproduce", *arguments, "--job", name]
        process = subprocess.Popen(command)  # noqa: S603  our own
        told = False
        while process.poll() is None:
            if stop.is_set() and not told:
                process.terminate()
                told = True
            time.sleep(_POLL_S)
        return process.returncode

    return launch


def check(wanted: Wanted) -> None:
    """Raises SettingsError for a method that there is none of."""
    odd = [name for name in wanted.methods if name not in OTHERS]
    if odd:
        raise SettingsError(f"--methods: no {odd[0]!r}; allowed: {', '.join(OTHERS)}")


def _tell_left(console: Console, spent: float, count: int, total: int) -> None:
    if count < total:
        left = in_words(spent / count * (total - count))
        console.print(text(f"{count} of {total} jobs in {in_words(spent)}, about {left} left"))


def _pages(places: Places, names: Sequence[str], given: dict[str, Any], console: Console) -> None:
    found = {name: done(places, name, given) for name in names}
    known = {name: each for name, each in found.items() if each is not None}
    if not known:
        return
    written: list[Path] = write_tables(places.out, known)
    for figure in FIGURES:
        parts = [drawing.load(places.figure(f"{figure}-{name}")) for name in known]
        drawn = [part for part in parts if part is not None]
        if drawn:
            drawing.save(drawing.stacked(drawn), places.figure(figure))
            written.append(places.figure(figure).with_suffix(".pdf"))
    for path in written:
        console.print(text(str(path)))
