"""Table 1 and the ablations, as Markdown and CSV; published figures beside the measured ones."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from stream_inspector.baselines import METHODS
from workers.offline.reproduce.plan import OTHERS
from workers.offline.reproduce.plan import UNIFIED as UNIFIED_JOB
from workers.offline.reproduce.published import (
    BTAD,
    BTAD_CATEGORIES,
    BY_CATEGORY,
    SAME,
    TUNED,
    UNIFIED,
    Pair,
)
from workers.offline.scoring.maps import DIFFUSION

OURS, OURS_TUNED, OURS_UNIFIED = "ours", "ours, tuned", "ours, unified"
_PUBLISHED = {OURS: SAME, OURS_TUNED: TUNED, OURS_UNIFIED: UNIFIED} | {
    name: Pair(known.pixel_auroc, known.aupro_30)
    for name in OTHERS
    if (known := METHODS[name].published)
}
_FIGURES = ("image_auroc", "pixel_auroc", "aupro_30", "aupro_05")
_TABLE_1 = (
    "Pixel AUROC / AUPRO@0.3 in per cent, measured on this machine. Rows and columns that say "
    "*published* are the authors' figures and were not measured here. `ours, tuned`: alpha chosen "
    "by the images that it is measured on, as in the paper."
)
_TABLE_2 = (
    "Means over the categories, in per cent. *T of 250* and *T of 1000* are T = 5, 50, 100 on the "
    "respaced chain and on the original steps; *own* is the preset's T; *per image* normalises "
    "each map by its own pixels."
)
Results = Mapping[str, Mapping[str, Any]]  # by job


@dataclass(frozen=True, slots=True)
class Cell:
    """One system on one category."""

    category: str
    system: str
    figures: Mapping[str, float | None]


def write_tables(out: Path, results: Results) -> list[Path]:
    """Write them, and say where."""
    first, second = cells(results), ablations(results)
    _csv(
        out / "table-1.csv",
        ("category", "system"),
        [(c.category, c.system, c.figures) for c in first],
    )
    _csv(out / "table-2.csv", ("reading", "member"), second)
    (out / "table-1.md").write_text(table_1(first, results))
    (out / "table-2.md").write_text(table_2(second, results))
    return [out / "table-1.md", out / "table-2.md"]


def cells(results: Results) -> list[Cell]:
    """All systems on all categories."""
    found = []
    for name, job in results.items():
        if name == UNIFIED_JOB:
            continue
        found += [Cell(name, row["method"], row) for row in job["others"]]
        found += _ours(name, job["rows"], {DIFFUSION: OURS, "tuned": OURS_TUNED})
    for name, rows in results.get(UNIFIED_JOB, {}).get("categories", {}).items():
        found += _ours(name, rows, {DIFFUSION: OURS_UNIFIED})
    return found


def _ours(category: str, rows: Sequence[Mapping[str, Any]], named: Mapping[str, str]) -> list[Cell]:
    """Of the preset's own reading, which comes first; KL alone where a preset has no more."""
    own = [row for row in rows if row["reading"] == rows[0]["reading"]]
    members = {row["member"]: row for row in own}
    return [
        Cell(category, system, members.get(member, members["kl"]))
        for member, system in named.items()
        if member in members or member == DIFFUSION
    ]


def ablations(results: Results) -> list[tuple[str, str, dict[str, float | None]]]:
    """Means over the categories of each reading and member."""
    rows = [row for name, job in results.items() if name != UNIFIED_JOB for row in job["rows"]]
    found = dict.fromkeys((row["reading"], row["member"]) for row in rows)
    return [
        (
            reading,
            member,
            _means([r for r in rows if (r["reading"], r["member"]) == (reading, member)]),
        )
        for reading, member in found
    ]


def table_1(found: Sequence[Cell], results: Results) -> str:
    """Pixel AUROC / AUPRO@0.3 in per cent, a column a system."""
    systems = [
        s for s in (*OTHERS, OURS, OURS_TUNED, OURS_UNIFIED) if s in {c.system for c in found}
    ]
    categories = list(dict.fromkeys(cell.category for cell in found))
    at = {(cell.category, cell.system): cell.figures for cell in found}
    head = ["category", *systems, "published: ours"]
    lines = [
        [name, *(_pair(at.get((name, s), {})) for s in systems), _said(BY_CATEGORY.get(name))]
        for name in categories
    ]
    means = [
        _pair(_means([at[name, s] for name in categories if (name, s) in at])) for s in systems
    ]
    lines.append([f"mean of {len(categories)}", *means, ""])
    btad = set(categories) <= set(BTAD_CATEGORIES)
    known: Mapping[str, Pair] = {OURS: BTAD} if btad else _PUBLISHED
    dataset = "BTAD, mean of 3" if btad else "MVTec AD, mean of 15"
    lines.append([f"published: {dataset}", *(_said(known.get(s)) for s in systems), ""])
    return "\n".join(
        [
            "# Table 1",
            "",
            _TABLE_1,
            "",
            *_conditions(results),
            "",
            *_markdown(head, lines),
            "",
        ]
    )


def table_2(found: Sequence[tuple[str, str, Mapping[str, float | None]]], results: Results) -> str:
    """Readings of T and normalisations by members."""
    head = ["reading", "member", "image AUROC", "pixel AUROC", "AUPRO@0.3", "AUPRO@0.05"]
    lines = [
        [reading, member, *(_percent(row[name]) for name in _FIGURES)]
        for reading, member, row in found
    ]
    return "\n".join(
        [
            "# Table 2: readings and members",
            "",
            _TABLE_2,
            "",
            *_conditions(results),
            "",
            *_markdown(head, lines),
            "",
        ]
    )


def _conditions(results: Results) -> list[str]:
    given = next(iter(results.values()))["conditions"]
    seconds = sum(each["seconds"] for each in results.values())
    told = {k: v for k, v in given.items() if v is not None and k not in {"digest", "methods"}}
    said = ", ".join(f"{name} {value}" for name, value in told.items())
    return [f"{said}; {len(results)} jobs, {seconds / 60:.0f} minutes"]


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Of each figure; None where one of the categories has none."""
    found: dict[str, float | None] = {}
    for name in _FIGURES:
        values = [row.get(name) for row in rows]
        known = [value for value in values if value is not None]
        found[name] = fmean(known) if known and len(known) == len(values) else None
    return found


def _pair(row: Mapping[str, float | None]) -> str:
    return f"{_percent(row.get('pixel_auroc'))} / {_percent(row.get('aupro_30'))}"


def _said(pair: Pair | None) -> str:
    if pair is None:
        return ""
    return " / ".join("-" if value is None else f"{value:.1f}" for value in pair)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *lines)]


def _csv(
    file: Path, keys: tuple[str, str], rows: Sequence[tuple[str, str, Mapping[str, Any]]]
) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow((*keys, *_FIGURES))
        writer.writerows((a, b, *(row.get(name) for name in _FIGURES)) for a, b, row in rows)
