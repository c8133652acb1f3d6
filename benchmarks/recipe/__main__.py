"""Choose members and weights without the pictures that judge them, and measure the choice.

`make bench-recipe ARGS="--data mvtec_ad --data visa --cache runs/recipe"`: each category is left
out in turn; members and weights are those that are best on the others' painted defects and good
images, and its own test images say what they are worth. Baselines read the same features. Features
and maps are kept in --cache, so that a second run takes minutes.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

from benchmarks.recipe.choice import Weights, candidates, left_out, named, own
from benchmarks.recipe.combine import Combiner, Quality, measured
from benchmarks.recipe.material import Material, Say, material
from benchmarks.recipe.members import NETWORK, Maps, raw_maps
from stream_inspector.baselines import METHODS
from stream_inspector.baselines.training import Training
from stream_inspector.presets import FEATURE_DIFFUSION, FEATURE_FAST, Preset, at_size
from stream_inspector.score.ensemble import enlarge, image_scores
from workers.offline.images.datasets import CategoryFolder, categories_in

BASELINES = ("padim", "padim-unpooled", "patchcore-unpooled", "spade")
_NAMES = {"mahalanobis": "near"}  # of the preset's members here

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a run measures with."""

    preset: Preset
    seed: int
    iterations: int  # of the diffusion; 0: without
    methods: tuple[str, ...]  # baselines
    cache: Path
    say: Say

    def material(self, each: CategoryFolder) -> Material:
        """A category's features."""
        return material(each.folder, self.preset, self.seed, self.cache, self.say)

    def maps(self, of: Material) -> Maps:
        """Its members' raw maps."""
        return raw_maps(of, self.iterations, self.seed, self.cache, self.say)


def main(
    *,
    data: Annotated[list[Path], typer.Option(help="a dataset's root or a category, repeatable")],
    cache: Annotated[Path, typer.Option(help="folder of features and maps")] = Path("runs/recipe"),
    seeds: Annotated[str, typer.Option(help="of the split, comma separated")] = "0,1",
    iterations: Annotated[int, typer.Option(help="of the diffusion; 0: without")] = 0,
    methods: Annotated[str, typer.Option(help="baselines, comma separated")] = ",".join(BASELINES),
    size: Annotated[int, typer.Option(help="side in pixels that a frame has as many as")] = 320,
    json_file: Annotated[Path | None, typer.Option("--json", help="write all figures")] = None,
) -> None:
    """The left-out protocol: choose on good and painted images of the others, judge on the test."""
    console = Console()
    folders = [each for root in data for each in categories_in(root)]
    chosen = FEATURE_DIFFUSION if iterations else FEATURE_FAST
    preset, found = at_size(chosen, (size, size)), dict[str, Figures]()
    named_methods = tuple(filter(None, methods.split(",")))
    for seed in map(int, seeds.split(",")):
        given = Conditions(preset, seed, iterations, named_methods, cache, console.log)
        with torch.inference_mode():
            found[str(seed)] = _one_seed(folders, given)
    _tell(found, console)
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(found, indent=1) + "\n")


def _one_seed(folders: list[CategoryFolder], given: Conditions) -> Figures:
    painted: dict[str, dict[Weights, Quality]] = {}
    for each in folders:
        measured_on = given.material(each)
        combiner = Combiner(measured_on, given.maps(measured_on), "painted")
        choices = candidates(network=bool(given.iterations))
        painted[each.name] = {weights: combiner.quality(dict(weights)) for weights in choices}
        given.say(f"{each.name}: {len(choices)} choices on painted defects")
    return {each.name: _judged(each, painted, given) for each in folders}


def _judged(
    each: CategoryFolder, painted: Mapping[str, Mapping[Weights, Quality]], given: Conditions
) -> Figures:
    """What the choices are worth on a category's test images, and the baselines."""
    measured_on = given.material(each)
    maps = given.maps(measured_on)
    combiner = Combiner(measured_on, maps, "test")
    chosen: dict[str, Weights] = {
        "left out": left_out(painted, each.name)[0],
        "its own painted defects": own(painted[each.name]),
        "the preset": _of_preset(given),
        "equal parts": (("near", 1.0), ("nearby", 1.0), ("whole", 1.0)),
        "position beside it": (("near", 1.0), ("nearby", 0.5), ("position", 0.5)),
        **{f"{m} alone": ((m, 1.0),) for m in maps},
    }
    given.say(f"{each.name}: {len(chosen)} on test images")
    return {
        "ours": {name: _figures(combiner, weights) for name, weights in chosen.items()},
        "baselines": {name: _kept(measured_on, name, given) for name in given.methods},
        "painted": {named(w): asdict(q) for w, q in painted[each.name].items()},
    }


def _figures(combiner: Combiner, weights: Weights) -> Figures:
    given = dict(weights)
    quality, at = combiner.quality(given), combiner.at_threshold(given)
    return {"weights": named(weights), **asdict(quality), **asdict(at)}


def _of_preset(given: Conditions) -> Weights:
    weights = [(_NAMES.get(m, m), w) for m, w in given.preset.weights]
    return tuple((m, w) for m, w in weights if m != NETWORK or given.iterations)


def _kept(measured_on: Material, name: str, given: Conditions) -> Figures:
    """A baseline's figures, kept in a file: SPADE takes seconds an image."""
    h, w = measured_on.preset.input_size
    file = given.cache / f"{name}-{measured_on.category}-{h}x{w}-{given.seed}.json"
    if not file.exists():
        given.say(f"{measured_on.category}: {name}")
        file.write_text(json.dumps(_baseline(measured_on, name, given.seed)))
    found: Figures = json.loads(file.read_text())
    return found


def _baseline(measured_on: Material, name: str, seed: int) -> Figures:
    """Fitted to the same good images, scored and measured as ours are."""
    start, preset = time.perf_counter(), measured_on.preset
    fitted = METHODS[name].fit(measured_on.fit.float(), Training(seed=seed))
    maps, scores = [], []
    for part in torch.split(measured_on.test.features, 8):
        small, its_own = fitted.score(part.float())
        maps.append(enlarge(small, measured_on.view.canvas, preset.smoothing))
        scores.append(image_scores(maps[-1], preset.top_pixels) if its_own is None else its_own)
    quality = measured(
        torch.cat(maps).numpy(), torch.cat(scores).double().numpy(), measured_on.test
    )
    return asdict(quality) | {"seconds": round(time.perf_counter() - start, 1)}


_FIGURES = ("image_auroc", "aupro", "aupro_5")


def _tell(found: Mapping[str, Figures], console: Console) -> None:
    """Markdown: one row a choice, one column a category, and the mean."""
    for seed, rows in found.items():
        console.print(f"\nSeed {seed}, image AUROC / AUPRO@0.3 / @0.05", style="bold")
        console.print("| | " + " | ".join([*rows, "mean"]) + " |")
        console.print("|" + "---|" * (len(rows) + 2))
        for group in ("ours", "baselines"):
            for name in next(iter(rows.values()))[group]:
                cells = [row[group][name] for row in rows.values()]
                console.print(_line(name, cells), soft_wrap=True)
        for name in next(iter(rows.values()))["ours"]:
            told = [f"{c}: {_at_threshold(row['ours'][name])}" for c, row in rows.items()]
            console.print(f"{name}: {'; '.join(told)}", soft_wrap=True)


def _at_threshold(row: Figures) -> str:
    return (
        f"{row['weights']}, recall {row['recall']:.2f}, "
        f"{row['false_alarms']} of {row['good']} good alarm"
    )


def _line(name: str, cells: list[dict[str, float]]) -> str:
    shown = ["/".join(f"{cell[f]:.3f}" for f in _FIGURES) for cell in cells]
    mean = "/".join(f"{fmean(cell[f] for cell in cells):.3f}" for f in _FIGURES)
    return f"| {name} | " + " | ".join([*shown, mean]) + " |"


if __name__ == "__main__":
    typer.run(main)
