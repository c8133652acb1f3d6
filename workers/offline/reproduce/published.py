"""What the paper reports, in per cent: pixel AUROC and AUPRO@0.3 (Lu et al. 2023, section 4).

None of it is a measurement of this program.
"""

from typing import NamedTuple


class Pair(NamedTuple):
    """Of one category, or a mean over all of a dataset's."""

    pixel_auroc: float | None
    aupro_30: float | None


# Means over MVTec AD's 15 categories.
SAME, TUNED, UNIFIED = Pair(96.7, 93.7), Pair(96.7, 94.1), Pair(96.0, 93.0)

BY_CATEGORY = {  # of MVTec AD, with the same settings: their mean is SAME
    "bottle": Pair(97.7, 95.0),
    "cable": Pair(95.2, 88.7),
    "capsule": Pair(98.0, 90.1),
    "carpet": Pair(98.9, 95.8),
    "grid": Pair(99.1, 98.1),
    "hazelnut": Pair(97.7, 89.5),
    "leather": Pair(99.5, 99.1),
    "metal_nut": Pair(96.8, 93.0),
    "pill": Pair(92.5, 94.5),
    "screw": Pair(99.0, 95.6),
    "tile": Pair(92.1, 95.1),
    "toothbrush": Pair(98.9, 94.7),
    "transistor": Pair(92.6, 89.7),
    "wood": Pair(94.7, 92.9),
    "zipper": Pair(97.6, 93.6),
}

# BTAD's mean of three: AUPRO@0.3, as later papers quote it; its image AUROC is given as 93.4.
BTAD, BTAD_CATEGORIES = Pair(None, 78.7), ("01", "02", "03")
