"""Other detectors on the same features and images, to compare with in the same run.

Every method is `fit(features, seed) -> Fitted`, and reads frozen features only: what differs in a
comparison is then the method, not the network behind it.
"""

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from stream_inspector.baselines.method import Fitted
from stream_inspector.baselines.padim import fit_padim
from stream_inspector.baselines.patchcore import fit_patchcore
from stream_inspector.baselines.spade import fit_spade

Fit = Callable[[Tensor, int], Fitted]  # good features [N, C, h, w], seed

# "-unpooled" leaves out the 3x3 averaging of PaDiM and PatchCore: small defects stay visible
METHODS: Mapping[str, Fit] = {
    "padim": fit_padim,
    "padim-unpooled": partial(fit_padim, channels=None, pool=False),
    "spade": fit_spade,
    "patchcore": fit_patchcore,
    "patchcore-unpooled": partial(fit_patchcore, pool=False),
}
