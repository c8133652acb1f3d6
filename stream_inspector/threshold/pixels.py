"""Good score maps -> pixel thresholds, the rates they have, and the smallest region worth showing.

Maps are [N, H, W]; pixels of -inf are not inspected and count nowhere. Pixels of one image depend
on each other, so everything that is promised of new images counts images, not pixels.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LARGEST_SPECK = 1e-3  # share of the map; what is larger is a region, whatever good images show
TABLE_RATES = np.geomspace(1e-5, 0.3, 46)  # ten rows a decade

_EIGHT_CONNECTED = np.ones((3, 3))

Maps = NDArray[np.float32]
Table = tuple[tuple[float, float], ...]  # (pixel false-positive rate, threshold)


def pixel_table(good_maps: Maps, rates: set[float]) -> Table:
    """Rows for TABLE_RATES and `rates`: at most that share of all pixels lies above."""
    pixels = np.sort(good_maps[good_maps > -np.inf])
    every = sorted({*TABLE_RATES.tolist(), *rates})
    thresholds = pixels[pixels.size - 1 - allowed(pixels.size, np.asarray(every))]
    return tuple(zip(every, thresholds.tolist(), strict=True))


def image_quantiles(good_maps: Maps, rate: float) -> NDArray[np.float32]:
    """The lowest threshold of each image [N] with at most `rate` of its own pixels above."""
    return np.array([_quantile(each[each > -np.inf], rate) for each in good_maps], np.float32)


def share_above(good_maps: Maps, threshold: float) -> float:
    """Share of all inspected pixels above a threshold."""
    return float((good_maps > threshold).sum() / (good_maps > -np.inf).sum())


def left_out_rate(good_maps: Maps, rate: float) -> float:
    """The pixel rate to expect on a new good image: the mean over images, each at the threshold
    that `rate` gives on all the others.

    Unbiased for N - 1 images; the pooled rate on the same images is not, it is `rate` by
    construction.
    """
    seen = good_maps > -np.inf
    sizes = seen.sum(axis=(1, 2))
    total = int(sizes.sum())
    kept = min(total, int(allowed(total, rate)) + 1 + int(sizes.max()))
    pixels, image = good_maps[seen], np.repeat(np.arange(len(sizes)), sizes)
    top = np.argpartition(pixels, total - kept)[total - kept :]
    falling = top[np.argsort(-pixels[top], kind="stable")]
    values, of = pixels[falling], image[falling]
    shares = []
    for index, (each, size) in enumerate(zip(good_maps, sizes, strict=True)):
        others = values[of != index]
        threshold = others[allowed(total - int(size), rate)] if others.size else np.inf
        shares.append((each > threshold).sum() / size)
    return float(np.mean(shares))


def smallest_region(good_maps: Maps, threshold: float, rank: int) -> int:
    """One more than the largest blob of the rank-th good image, so that speckle shows no region.

    Bounded by LARGEST_SPECK: a few good images with large false regions must not hide defects.
    """
    largest = np.sort([_largest_blob(each > threshold) for each in good_maps])
    speck = max(1, int(LARGEST_SPECK * (good_maps[0] > -np.inf).sum()))
    return int(min(largest[rank - 1] + 1, speck))


def allowed(pixels: int, rate: float | NDArray[np.float64]) -> NDArray[np.int64]:
    """How many of so many pixels may lie above."""
    return (np.asarray(rate) * pixels + 1e-9).astype(np.int64)


def _quantile(pixels: NDArray[np.float32], rate: float) -> float:
    last = pixels.size - 1 - int(allowed(pixels.size, rate))
    return float(np.partition(pixels, last)[last])


def _largest_blob(above: NDArray[np.bool_]) -> int:
    labels, _ = ndimage.label(above, structure=_EIGHT_CONNECTED)
    return int(np.bincount(labels.ravel())[1:].max(initial=0))
