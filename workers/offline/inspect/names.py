"""Names of result files: short where that is clear, and never the same for two pictures."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from workers.runtime.datasets.files import folded

_MOST_BYTES = 150  # of a name; file systems take 255, and something is appended


def result_names(paths: Sequence[Path]) -> list[str]:
    """A name for each path, unique whatever the case of letters, composed or not.

    The stem where no other file has it; else with the folders in which they differ, then with the
    suffix, then with a number.
    """
    folders = _folders(paths)
    ways: list[Callable[[int], str]] = [
        lambda at: paths[at].stem,
        lambda at: "-".join([*folders[at], paths[at].stem]),
        lambda at: "-".join([*folders[at], paths[at].name]),
        lambda at: f"{'-'.join([*folders[at], paths[at].name])}-{at + 1}",
    ]
    names = [""] * len(paths)
    taken, left = set[str](), list(range(len(paths)))
    for way in ways:
        wanted = {at: _short(way(at)) for at in left}
        counts = Counter(folded(name) for name in wanted.values())
        done = [at for at in left if counts[(n := folded(wanted[at]))] == 1 and n not in taken]
        for at in done:
            names[at] = wanted[at]
            taken.add(folded(wanted[at]))
        left = [at for at in left if at not in set(done)]
    return names


def _folders(paths: Sequence[Path]) -> list[list[str]]:
    """Of each path the folders below the one that all share."""
    parents = [str(path.parent.absolute()) for path in paths]
    shared = os.path.commonpath(parents) if parents else ""
    return [list(Path(os.path.relpath(each, shared)).parts) for each in parents]


def _short(name: str) -> str:
    data = os.fsencode(name)
    if len(data) <= _MOST_BYTES:
        return name
    return f"{os.fsdecode(data[:_MOST_BYTES])}-{hashlib.sha256(data).hexdigest()[:8]}"
