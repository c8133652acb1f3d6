"""What a sent frame shows and where: its pixels and its mask, from the file or the renderer.

The truth never travels on the wire; the camera's book says which picture a frame was.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stream_inspector.image.decode import Decoded, DecodeLimits, decode
from stream_inspector.image.pictures import encode_png
from stream_inspector.image.view.canvas import View
from stream_inspector.synthetic import DEFAULT_SIZE, SyntheticFrame, render
from workers.demo.books.lines import SentFrame
from workers.offline.images.datasets import test_files
from workers.offline.images.masks import on_canvas, read_mask
from workers.offline.images.reader import read_image

Mask = NDArray[np.bool_]


class Truth(Protocol):
    """Looks a sent frame up."""

    def image(self, frame: SentFrame, view: View) -> Decoded:
        """The frame's pixels, decoded as the worker decodes them."""

    def mask(self, frame: SentFrame, view: View) -> Mask | None:
        """Where it is defective [H, W]; empty when good, None when nobody knows."""


class FolderTruth:
    """Labelled test images of a folder in MVTec layout."""

    def __init__(self, folder: Path) -> None:
        self._masks = {file.path.resolve(): file.mask for file in test_files(folder)}

    def image(self, frame: SentFrame, view: View) -> Decoded:
        """Read the file again."""
        return read_image(_path(frame), view)

    def mask(self, frame: SentFrame, view: View) -> Mask | None:
        """The file's mask."""
        if frame.defective is False:
            return np.zeros(view.canvas, bool)
        mask = self._masks.get(_path(frame).resolve())
        return None if mask is None else read_mask(mask, view)


class SyntheticTruth:
    """The rendered series of a seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def image(self, frame: SentFrame, view: View) -> Decoded:
        """Render the frame again."""
        png = encode_png(self._render(frame).image)
        return decode(png, "image/png", view, DecodeLimits())

    def mask(self, frame: SentFrame, view: View) -> Mask | None:
        """The renderer's exact mask."""
        return on_canvas(self._render(frame).mask, view)

    def _render(self, frame: SentFrame) -> SyntheticFrame:
        kind = frame.truth if frame.defective else None
        return render(frame.index or 0, self._seed, kind, DEFAULT_SIZE)


def _path(frame: SentFrame) -> Path:
    return Path(frame.path or "")
