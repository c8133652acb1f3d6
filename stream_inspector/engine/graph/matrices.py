"""Resizing as matrices: linear, so that one product along each axis does it, [to, from] each."""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


def linear(cells: int, pixels: int) -> Matrix:
    """Linear interpolation, corners not aligned, ends replicated."""
    at = np.maximum((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0)
    low = np.floor(at).astype(int)
    high, share = np.minimum(low + 1, cells - 1), at - low
    rows = np.arange(pixels)
    found = np.zeros((pixels, cells))
    np.add.at(found, (rows, low), 1 - share)
    np.add.at(found, (rows, high), share)
    return np.asarray(found, np.float32)


def antialiased(pixels: int, cells: int) -> Matrix:
    """Linear interpolation whose triangle is as wide as a cell, where there are fewer of them."""
    scale = max(pixels / cells, 1.0)
    centre = (np.arange(cells) + 0.5)[:, None] * pixels / cells
    weight = np.clip(1 - np.abs(np.arange(pixels) + 0.5 - centre) / scale, 0, None)
    return np.asarray((weight / weight.sum(1, keepdims=True)), np.float32)


def averaged(pixels: int, cells: int) -> Matrix:
    """The mean of each cell's pixels; cells overlap where they do not divide."""
    number = np.arange(cells)
    start, stop = number * pixels // cells, -(-(number + 1) * pixels // cells)
    at = np.arange(pixels)
    inside = (start[:, None] <= at) & (at < stop[:, None])
    return np.asarray((inside / inside.sum(1, keepdims=True)), np.float32)


def enlarging(cells: int, pixels: int, sigma: float) -> Matrix:
    """Linear interpolation, then a Gaussian blur of sigma pixels, cut at 3 sigma."""
    spread = linear(cells, pixels)
    if sigma <= 0:
        return spread
    radius = int(3 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    padded = np.pad(spread, ((radius, radius), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=0)
    return np.asarray((windows @ (kernel / kernel.sum())), np.float32)


def placing(starts: list[int], ramps: NDArray[np.float32], side: int) -> Matrix:
    """Tiles' cells, one tile after another, into the side of a canvas, weighed by their ramps."""
    length = ramps.shape[1]
    found = np.zeros((side, ramps.size), np.float32)
    for number, start in enumerate(starts):
        rows = np.arange(length)
        found[start + rows, number * length + rows] = ramps[number]
    return found
