"""Order statistics: what the k-th smallest of n good scores says of scores still to come.

Distribution-free: all that is asked is that good images are exchangeable, the n and the next one.
"""

import math

import numpy as np
from scipy import special


def conformal_rank(n: int, alpha: float) -> int:
    """k = ceil((n + 1)(1 - alpha)), at most n: the k-th smallest good score is the threshold.

    Split conformal prediction: on average over calibrations at most 1 - k / (n + 1) of good
    images lie above, which is alpha or less unless k had to be cut down to n.
    """
    return min(n, math.ceil((n + 1) * (1 - alpha) - 1e-9))  # 1e-9: 20 * 0.95 is 19, not 20


def certified_rate(n: int, rank: int, confidence: float) -> float:
    """The false-reject rate that the rank-th of n good scores stays under with `confidence`.

    The share above an order statistic is Beta(n + 1 - k, k), whatever the scores' distribution.
    """
    return float(special.betaincinv(n + 1 - rank, rank, confidence))


def certified_rank(n: int, alpha: float, confidence: float) -> int:
    """The lowest rank that certifies alpha. Needs `images_needed(alpha, confidence)` images."""
    ranks = np.arange(1, n + 1)
    rates = special.betaincinv(n + 1 - ranks, ranks, confidence)
    return int(ranks[rates <= alpha][0])


def images_needed(alpha: float, confidence: float) -> int:
    """Fewest good images whose maximum certifies alpha: (1 - alpha)^n <= 1 - confidence."""
    n = math.log(1 - confidence) / math.log(1 - alpha)
    return math.ceil(n - 1e-9)


def clopper_pearson(found: float, of: float, confidence: float) -> tuple[float, float]:
    """The exact two-sided interval of a share, `found` of `of` independent trials.

    A fraction of a trial counts as what it is: the beta quantiles are continuous in it.
    """
    tail = (1 - confidence) / 2
    low = special.betaincinv(found, of - found + 1, tail) if found > 0 else 0.0
    high = special.betaincinv(found + 1, of - found, 1 - tail) if found < of else 1.0
    return float(low), float(high)
