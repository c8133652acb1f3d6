"""The choice of members and weights, one category left out, on good and painted images alone."""

import itertools
from collections.abc import Mapping
from statistics import fmean

from benchmarks.recipe.combine import Quality

PLACES = ("mixture", "near")  # the same Gaussians, wherever or only where they were seen
SHARES = (0.0, 0.5, 1.0)
NETWORK_SHARES = (0.0, 0.125, 0.5)

Weights = tuple[tuple[str, float], ...]


def candidates(*, network: bool) -> list[Weights]:
    """What may be chosen: every member alone, and mixtures with others beside them."""
    others = itertools.product(SHARES, SHARES, NETWORK_SHARES if network else (0.0,))
    beside = [{"nearby": near, "whole": whole, "kl": kl} for near, whole, kl in others]
    weighed = [{place: 1.0, **rest} for place in PLACES for rest in beside]
    weighed += [{name: 1.0} for name in ("nearby", "whole", *(("kl",) if network else ()))]
    weighed.append({"nearby": 1.0, "whole": 1.0})
    weighed.append({"position": 1.0})
    weighed += [
        {"near": 1.0, "nearby": near, "position": position}
        for near, position in itertools.product(SHARES[:2], SHARES[1:])
    ]
    return [tuple((m, w) for m, w in each.items() if w) for each in weighed]


def left_out(
    painted: Mapping[str, Mapping[Weights, Quality]], category: str
) -> tuple[Weights, float]:
    """The candidate that is best on the mean of all other categories, and its criterion there."""
    others = [found for name, found in painted.items() if name != category]
    mean = {w: fmean(found[w].criterion for found in others) for w in others[0]}
    best = max(mean, key=lambda weights: mean[weights])
    return best, mean[best]


def own(painted: Mapping[Weights, Quality]) -> Weights:
    """The candidate that a category's own painted defects ask for."""
    return max(painted, key=lambda weights: painted[weights].criterion)


def named(weights: Weights) -> str:
    """As the tables show it."""
    return " + ".join(m if w == 1 else f"{w:g} {m}" for m, w in weights)
