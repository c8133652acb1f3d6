"""Do the thresholds keep what they promise? In a simulation, and on real good images.

`make bench-thresholds ARGS="--data photos/bolts --data photos/nuts"`: without --data the
simulation alone. Real scores take minutes a category; --scores keeps them in a file, from which a
second run goes on.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats

from benchmarks.thresholds.figure import draw
from benchmarks.thresholds.scores import Scores, score_category
from stream_inspector.threshold.order import (
    certified_rank,
    certified_rate,
    conformal_rank,
    images_needed,
)

CONFIDENCE = 0.95
SIZES = (5, 10, 20, 39, 60, 100, 200, 300, 500, 1000)
REAL_SIZES = (20, 40, 60, 80)
DRIFT = "normal, then 0.5 sigma up"
RANDOM, IN_ORDER = "random splits", "in the order of names"
SHUFFLES = 500
_SEED = 0

Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]
Above = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_MIX = (0.9, 5.0)  # share of the lower mode, distance of the upper


def _two_modes(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    return rng.normal(size=shape) + _MIX[1] * (rng.random(shape) > _MIX[0])


# What draws good scores, and the true share of new good images that scores above.
DISTRIBUTIONS: dict[str, tuple[Draw, Above]] = {
    "normal": (lambda rng, shape: rng.normal(size=shape), stats.norm.sf),
    "log-normal, sigma 2": (
        lambda rng, shape: rng.lognormal(0, 2, shape),
        stats.lognorm(2).sf,
    ),
    "Pareto, no variance": (lambda rng, shape: rng.pareto(1.5, shape), stats.lomax(1.5).sf),
    "two modes, 9 to 1": (
        _two_modes,
        lambda t: _MIX[0] * stats.norm.sf(t) + (1 - _MIX[0]) * stats.norm.sf(t - _MIX[1]),
    ),
    "counts with ties": (lambda rng, shape: rng.poisson(20, shape) * 1.0, stats.poisson(20).sf),
    DRIFT: (lambda rng, shape: rng.normal(size=shape), lambda t: stats.norm.sf(t - 0.5)),
}


@dataclass(frozen=True, slots=True)
class Kept:
    """How often thresholds from n good images kept a promise."""

    name: str
    n: int
    mean: float  # false-reject rate over all calibrations, at the conformal threshold
    budget: float  # what that mean should not exceed
    within: float  # share of calibrations under the certified rate of the conformal threshold
    expected: float  # what that share should be at least
    strict: float | None = None  # share under the budget at the strict threshold; None: refused
    chance: float | None = None  # of shuffled images keeping it no better


def simulate(alpha: float, repeats: int, sizes: Sequence[int] = SIZES) -> Iterator[Kept]:
    """Every distribution and size; the true rates are known in closed form."""
    for number, (name, (draw_scores, above)) in enumerate(DISTRIBUTIONS.items()):
        rng = np.random.default_rng([_SEED, number])
        for n in sizes:
            scores = np.sort(draw_scores(rng, (repeats, n)), axis=1)
            rank = conformal_rank(n, alpha)
            rates = above(scores[:, rank - 1])
            certified = certified_rate(n, rank, CONFIDENCE)
            strict = None
            if n >= images_needed(alpha, CONFIDENCE):
                strict = float(
                    (above(scores[:, certified_rank(n, alpha, CONFIDENCE) - 1]) <= alpha).mean()
                )
            yield Kept(
                name=name,
                n=n,
                mean=float(rates.mean()),
                budget=max(alpha, 1 / (n + 1)),
                within=float((rates <= certified).mean()),
                expected=CONFIDENCE,
                strict=strict,
            )


def measure(scores: Scores, alpha: float, repeats: int) -> Iterator[Kept]:
    """Real good images, calibrated n at a time, asked about the others of the same folder.

    Random splits are exchangeable by construction: they check the code. In the order of the names
    every n images in a row are asked about the n that follow, which checks the world as far as
    names are an order. The runs overlap, so shuffled images say how odd the outcome is.
    """
    pool, rng = np.array(scores.pool), np.random.default_rng(_SEED)
    for n in (size for size in REAL_SIZES if 2 * size <= len(pool)):
        starts = [np.arange(first, first + 2 * n) for first in range(len(pool) - 2 * n + 1)]
        orders = [rng.permutation(len(pool)) for _ in range(repeats)]
        yield _asked(f"{scores.category}, {RANDOM}", n, alpha, pool, orders)
        in_order = _asked(f"{scores.category}, {IN_ORDER}", n, alpha, pool, starts)
        shuffled = (rng.permutation(pool) for _ in range(SHUFFLES))
        others = [_asked("", n, alpha, each, starts).within for each in shuffled]
        yield replace(in_order, chance=float(np.mean(np.array(others) <= in_order.within)))


def _asked(
    name: str, n: int, alpha: float, pool: NDArray[np.float64], splits: Sequence[NDArray[np.intp]]
) -> Kept:
    """Calibrate on the first n of each split, ask the rest of it."""
    rank, m = conformal_rank(n, alpha), len(splits[0]) - n
    certified = certified_rate(n, rank, CONFIDENCE)
    asked = pool[np.stack(splits)]
    thresholds = np.sort(asked[:, :n], axis=1)[:, rank - 1]
    rates = (asked[:, n:] > thresholds[:, None]).mean(axis=1)
    return Kept(
        name=name,
        n=n,
        mean=float(rates.mean()),
        budget=max(alpha, 1 / (n + 1)),
        within=float((rates <= certified + 1e-12).mean()),
        expected=expected_within(n, rank, m, certified),
    )


def expected_within(n: int, rank: int, m: int, certified: float) -> float:
    """How often m new exchangeable images keep under a rate: their alarms are beta-binomial."""
    alarms = stats.betabinom(m, n + 1 - rank, rank)
    return float(alarms.cdf(int(certified * m + 1e-9)))


@dataclass(frozen=True, slots=True)
class Alarms:
    """One calibration, asked about other images."""

    found: int
    of: int
    certified: float
    no_fewer: float  # chance of as many or more, if the images were exchangeable
    no_more: float  # ... of as many or fewer

    def __str__(self) -> str:
        return (
            f"{self.found} of {self.of} alarm ({self.found / self.of:.1%}, certified "
            f"{self.certified:.1%}; chance of no fewer {self.no_fewer:.2g}, of no more "
            f"{self.no_more:.2g})"
        )


def alarms(calibrating: Sequence[float], others: Sequence[float], alpha: float) -> Alarms:
    """The default threshold of some images on others, and how odd the outcome is."""
    n, m = len(calibrating), len(others)
    rank = conformal_rank(n, alpha)
    found = int((np.array(others) > np.sort(calibrating)[rank - 1]).sum())
    law = stats.betabinom(m, n + 1 - rank, rank)
    return Alarms(
        found=found,
        of=m,
        certified=certified_rate(n, rank, CONFIDENCE),
        no_fewer=float(law.sf(found - 1)),
        no_more=float(law.cdf(found)),
    )


def main(
    *,
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="folder of a category, repeatable")
    ] = None,
    scores_file: Annotated[
        Path | None, typer.Option("--scores", help="JSON: real scores are kept and found here")
    ] = None,
    fit: Annotated[int, typer.Option(help="images a detector is fitted to")] = 100,
    iterations: Annotated[int, typer.Option(help="steps of the feature diffusion; 0: none")] = 0,
    folds: Annotated[int, typer.Option(help="of cross-fitting")] = 10,
    alpha: Annotated[float, typer.Option(help="budgeted share of good images")] = 0.05,
    repeats: Annotated[int, typer.Option(help="calibrations of each kind")] = 4000,
    threads: Annotated[int | None, typer.Option(help="of torch")] = None,
    figure: Annotated[Path | None, typer.Option(help="SVG to draw")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write all figures")] = None,
) -> None:
    """Measure how often thresholds keep what they promise."""
    console = Console()
    if threads:
        torch.set_num_threads(threads)
    simulated = list(simulate(alpha, repeats))
    console.print(_table("Simulation: true rates", simulated))
    known = _kept_scores(scores_file)
    for folder in data or []:
        if folder.resolve().name not in known:
            made = score_category(folder, fit, iterations, folds, console.print)
            known[made.category] = made
            if scores_file:
                scores_file.write_text(json.dumps([each.to_dict() for each in known.values()]))
    real = [kept for each in known.values() for kept in measure(each, alpha, repeats)]
    if real:
        console.print(_table("Real good images: observed rates", real))
    for each in known.values():
        console.print(f"{each.category}, {len(each.pool)} held out, asked about", highlight=False)
        outside = alarms(each.pool, each.test_good, alpha)
        console.print(f"  good test images: {outside}", highlight=False)
        crossed = alarms(each.folds, each.pool, alpha)
        console.print(f"  {len(each.folds)} cross-fitted, asked about them: {crossed}")
    if json_file:
        kept = {"simulation": simulated, "real": real}
        plain = {name: [asdict(each) for each in rows] for name, rows in kept.items()}
        json_file.write_text(json.dumps(plain, indent=1) + "\n")
    if figure:
        figure.write_text(draw(simulated, real))


def _kept_scores(file: Path | None) -> dict[str, Scores]:
    if file is None or not file.exists():
        return {}
    return {each["category"]: Scores(**each) for each in json.loads(file.read_text())}


def _table(title: str, rows: Sequence[Kept]) -> Table:
    table = Table(title=title)
    for name in (
        "scores",
        "n",
        "mean rate",
        "budget",
        "within certified",
        "promised",
        "strict",
        "chance",
    ):
        table.add_column(name, justify="left" if name == "scores" else "right")
    for row in rows:
        table.add_row(
            row.name,
            str(row.n),
            f"{row.mean:.3%}",
            f"{row.budget:.3%}",
            f"{row.within:.1%}",
            f"{row.expected:.1%}",
            "" if row.strict is None else f"{row.strict:.1%}",
            "" if row.chance is None else f"{row.chance:.2g}",
        )
    return table


if __name__ == "__main__":
    typer.run(main)
