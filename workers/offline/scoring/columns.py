"""How tables and pages list ranking metrics: which columns, members in which order, what digits."""

from collections.abc import Iterable

from workers.offline.scoring.ranking import LARGE

_ORDER = (
    *("ensemble", "kl+features", "kl", "features"),
    *("mahalanobis", "nearby", "control"),
)
COLUMNS = {
    "image AUROC": "image_auroc",
    "pixel AUROC": "pixel_auroc",
    "AUPRO@0.3": "aupro_30",
    "AUPRO@0.05": "aupro_05",
    f"AUPRO@0.3, ≥ {LARGE} px": "large_aupro_30",
}


def in_order(members: Iterable[str]) -> list[str]:
    """Members as tables list them: the ensembles first."""
    names = list(members)
    known = [name for name in _ORDER if name in names]
    return [*known, *(name for name in names if name not in known)]


def number(value: float | None) -> str:
    """Three decimals, or that there is none."""
    return "n/a" if value is None else f"{value:.3f}"
