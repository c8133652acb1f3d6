"""How a model ranks labelled images, as lists."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from stream_inspector.threshold.share import Share
from workers.offline.scoring.columns import COLUMNS, in_order, number
from workers.offline.scoring.maps import ENSEMBLE
from workers.offline.scoring.ranking import LARGE, Evaluation, Ranking, mean_rankings
from workers.runtime.host.terminal import text
from workers.runtime.listing import Column, Listing, Shown

_METRICS = tuple(
    Column(head.replace("@", " @"), name=name, right=True) for head, name in COLUMNS.items()
)

_AT_THRESHOLD = (Column("recall", right=True), Column("false alarms", right=True))
_KINDS = (
    Column("kind"),
    Column("truth"),
    Column("images", right=True),
    Column("alarm", right=True),
    Column("near misses", right=True),
    Column("share that alarms", right=True),
)


def tell_evaluation(card: Evaluation, console: Console) -> None:
    """What the threshold does, by kind; then ranking metrics, one line a member, and what they
    hold for.
    """
    _tell_threshold(card, console)
    title = f"{card.category}: {card.n_good} good, {card.n_defective} defective test images"
    listing = Listing(console, Column("", name="member"), *_METRICS, title=title)
    for name in in_order(card.members):
        _add(listing, [name], card.members[name], bold=name == ENSEMBLE)
    listing.close()
    for line in _caption(card):
        console.print(text((line, "dim italic")), soft_wrap=True)


def _tell_threshold(card: Evaluation, console: Console) -> None:
    """Recall and false alarms first: the rest ranks, this is what happens on the line."""
    if card.provisional:
        said = f"{card.category}: a provisional model, of few images and without a network"
        console.print(text((said, "yellow")))
    if not card.kinds:
        console.print(text((f"{card.category}: not calibrated, so nothing alarms", "yellow")))
        return
    console.print(text((f"{card.category}: {at_threshold(card)}", "bold")), soft_wrap=True)
    listing = Listing(console, *_KINDS)
    for kind in card.kinds:
        listing.add(
            kind.kind,
            "defective" if kind.defective else "good",
            str(kind.images),
            str(kind.alarms),
            str(kind.near_misses),
            Shown(kind.alarming.value, str(kind.alarming)),
        )
    listing.close()
    for line in card.shifts:
        shifted = f"Good test images differ from those that set the threshold: {line}"
        console.print(text((shifted, "yellow")), soft_wrap=True)


def at_threshold(card: Evaluation) -> str:
    """Recall and false alarms in words, with intervals."""
    recall, wrong = card.recall, card.false_alarms
    found = f"{recall} of {card.n_defective} defective images" if recall else "no defective image"
    alarms = f"{wrong} of {card.n_good} good ones" if wrong else "there is no good one"
    return f"at the threshold {found} alarm, and {alarms}"


def tell_categories(cards: Sequence[Evaluation], console: Console) -> None:
    """The ensemble on each category, and each member's mean."""
    title = "The ensemble on each category, and the mean of every member"
    listing = Listing(console, Column("", name="category"), *_AT_THRESHOLD, *_METRICS, title=title)
    for card in cards:
        shares = [_share(card.recall), _share(card.false_alarms)]
        _add(listing, [card.category], card.members[ENSEMBLE], shares=shares)
    listing.rule()
    means = mean_rankings(card.members for card in cards)
    for name in in_order(means):
        ours = name == ENSEMBLE
        shares = [_mean(c.recall for c in cards), _mean(c.false_alarms for c in cards)]
        nothing = [Shown(None, "")] * 2
        _add(listing, [f"mean, {name}"], means[name], bold=ours, shares=shares if ours else nothing)
    listing.close()


def _share(of: Share | None) -> Shown:
    return Shown(of and of.value, f"{of.value:.0%}" if of else "n/a")


def _mean(of: Iterable[Share | None]) -> Shown:
    every = list(of)
    known = [share.value for share in every if share]
    if not known or len(known) < len(every):
        return Shown(None, "n/a")
    mean = sum(known) / len(known)
    return Shown(mean, f"{mean:.0%}")


def write_csv(cards: Sequence[Evaluation], file: Path) -> None:
    """Every member of every category, one line each."""
    with Listing.into(file, Column("category"), Column("member"), *_METRICS) as listing:
        for card in cards:
            for name in in_order(card.members):
                _add(listing, [card.category, name], card.members[name])


def _add(
    listing: Listing,
    names: list[str],
    ranking: Ranking,
    *,
    bold: bool = False,
    shares: Sequence[Shown] = (),
) -> None:
    found = (getattr(ranking, field) for field in COLUMNS.values())
    values = (Shown(value, number(value)) for value in found)
    listing.add(*names, *shares, *values, style="bold" if bold else "")


def _caption(card: Evaluation) -> list[str]:
    height, width = card.resolution
    lines = [
        f"at {height} x {width} px; {card.n_large_regions} of {card.n_regions} defect regions have "
        f"{LARGE} px or more",
        f"{card.ms_per_image:.1f} ms an image ({card.engine}), model {card.model_version}",
    ]
    point, made = card.at_threshold, card.counterparts
    lines.append(
        "not calibrated"
        if point is None
        else f"at the calibrated threshold {point.threshold:.3g}: precision "
        f"{number(point.precision)}, {point.missed} missed ({point.missed_near} of them near "
        "misses)"
    )
    if made:
        lines.append(
            f"{made.images} counterparts: {number(made.normal)} judged normal (good test images "
            f"{number(made.ceiling)}), {number(made.convincing)} convincing; grey levels of "
            f"change {number(made.change_inside)} in the defect, {number(made.change_outside)} "
            "outside"
        )
    return lines
