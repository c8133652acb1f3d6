"""Files beside images that are none: left out, as cameras do, and told at the end."""

from collections.abc import Iterable
from pathlib import Path

from workers.offline.noted import noted
from workers.runtime.datasets.files import SUFFIXES, others_in, shown


def tell_left_out(images: Iterable[Path]) -> None:
    """Note what lies beside images and is not read."""
    for folder in dict.fromkeys(path.parent for path in images):
        others = others_in(folder)
        if others:
            noted().say(
                f"{folder}: left out, since they are no {', '.join(SUFFIXES)} files: "
                f"{shown(path.name for path in others)}"
            )
