"""Other detectors on the same images and features, to compare with in the same run.

Most read the frozen features that ours reads: what differs in a comparison is then the method, not
the network behind it. Two learn networks of their own from pixels.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from torch import Tensor

from stream_inspector.baselines.cflow import fit_cflow
from stream_inspector.baselines.cutpaste import fit_cutpaste
from stream_inspector.baselines.draem import fit_draem
from stream_inspector.baselines.method import Fitted
from stream_inspector.baselines.padim import fit_padim
from stream_inspector.baselines.patchcore import fit_patchcore
from stream_inspector.baselines.spade import fit_spade
from stream_inspector.baselines.training import Training
from stream_inspector.baselines.uniad import fit_uniad


class Published(NamedTuple):
    """Means over MVTec AD's 15 categories, in per cent, at the authors' own size and training."""

    pixel_auroc: float | None
    aupro_30: float | None


class Method(NamedTuple):
    """One row of the comparison."""

    # Good features [N, C, h, w], or uint8 images [N, 3, H, W] with `pixels`.
    fit: Callable[[Tensor, Training], Fitted]
    published: Published | None = None  # None: a variant of ours
    iterations: int = 0  # of training, unless told otherwise; 0: nothing is trained
    pixels: bool = False


def _untrained(fit: Callable[[Tensor, int], Fitted]) -> Callable[[Tensor, Training], Fitted]:
    return lambda features, training: fit(features, training.seed)


OURS_PUBLISHED = Published(96.7, 93.7)  # Lu et al. 2023, table 1, same settings for all

# "-unpooled" leaves out the 3x3 averaging of PaDiM and PatchCore: small defects stay visible.
# Published: table 1 of Lu et al. 2023; PatchCore's are its own (Roth et al. 2022).
METHODS: Mapping[str, Method] = {
    "cutpaste": Method(fit_cutpaste, Published(96.0, None), 300, pixels=True),
    "spade": Method(_untrained(fit_spade), Published(96.0, 91.7)),
    "padim": Method(_untrained(fit_padim), Published(97.5, 92.1)),
    "padim-unpooled": Method(
        _untrained(partial(fit_padim, channels=None, pool=False)),
    ),
    "draem": Method(fit_draem, Published(97.3, 93.0), 300, pixels=True),
    "cflow": Method(fit_cflow, Published(98.6, 94.6), 2000),
    "uniad": Method(fit_uniad, Published(97.0, 91.1), 500),
    "patchcore": Method(_untrained(fit_patchcore), Published(98.1, 93.4)),
    "patchcore-unpooled": Method(_untrained(partial(fit_patchcore, pool=False))),
}
