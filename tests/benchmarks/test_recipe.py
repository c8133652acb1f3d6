"""The choice of members, made without the pictures that judge it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from benchmarks.recipe.__main__ import main
from benchmarks.recipe.choice import candidates, left_out, named, own
from benchmarks.recipe.combine import Quality
from benchmarks.recipe.material import JUDGES, material
from stream_inspector.image.pictures import encode_png
from stream_inspector.presets import FEATURE_FAST, at_size
from stream_inspector.synthetic import render

A, B = (("near", 1.0),), (("nearby", 1.0),)
GOOD = 20


def quality(image_auroc: float) -> Quality:
    return Quality(image_auroc, 0.5, 0.5, 0.5)


def test_a_category_has_no_say_in_its_own_choice() -> None:
    painted = {
        "bolt": {A: quality(0.9), B: quality(0.8)},
        "nut": {A: quality(0.9), B: quality(0.8)},
        "washer": {A: quality(0.1), B: quality(1.0)},
    }

    assert left_out(painted, "washer")[0] == A
    assert left_out(painted, "nut")[0] == B
    assert own(painted["washer"]) == B


def test_candidates_are_distinct_and_those_of_the_network_only_with_it() -> None:
    without, with_it = candidates(network=False), candidates(network=True)

    assert len(set(without)) == len(without)
    assert not any(dict(weights).get("kl") for weights in without)
    assert set(without) < set(with_it)
    assert named((("near", 1.0), ("whole", 0.5))) == "near + 0.5 whole"


@pytest.fixture(scope="module")
def flanges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "flanges"
    shown = {f"train/good/{i:02}.png": render(i, 0).image for i in range(GOOD)}
    shown |= {f"test/good/{i}.png": render(100 + i, 0).image for i in range(3)}
    stained = [render(200 + i, 0, "stain") for i in range(3)]
    shown |= {f"test/stain/{i}.png": each.image for i, each in enumerate(stained)}
    for i, each in enumerate(stained):
        shown[f"ground_truth/stain/{i}_mask.png"] = each.mask.astype(np.uint8) * 255
    for name, pixels in shown.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_png(pixels))
    return folder


@pytest.mark.slow
def test_what_judges_is_no_part_of_what_is_fitted(flanges: Path, tmp_path: Path) -> None:
    preset, said = at_size(FEATURE_FAST, (64, 64)), list[str]()

    first = material(flanges, preset, 0, tmp_path, said.append)
    again = material(flanges, preset, 0, tmp_path, said.append)

    judges = int((~first.painted.defective).sum())
    assert (len(first.fit), judges) == (GOOD - GOOD // JUDGES, GOOD // JUDGES)
    fitted = {bytes(x.numpy()) for x in first.fit}
    assert not any(bytes(x.numpy()) in fitted for x in first.painted.features[:judges])
    assert first.painted.defective.sum() == 2 * judges
    assert all(mask.any() for mask in first.painted.masks[judges:])
    assert torch.equal(first.fit, again.fit)
    assert len(said) == 1  # the second time it is read


@pytest.mark.slow
def test_a_run_says_what_was_chosen_and_what_it_is_worth(flanges: Path, tmp_path: Path) -> None:
    other = flanges.with_name("discs")
    if not other.exists():
        other.symlink_to(flanges)
    arguments = [
        *("--data", str(flanges.parent), "--cache", str(tmp_path), "--seeds", "0"),
        *("--methods", "padim", "--size", "64", "--json", str(tmp_path / "found.json")),
    ]

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COLUMNS", "300")
        result = CliRunner().invoke(_app(), arguments)

    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "found.json").read_text())["0"]
    assert set(found) == {"flanges", "discs"}
    assert found["flanges"]["ours"]["left out"]["weights"] in found["discs"]["painted"]
    assert 0 <= found["flanges"]["baselines"]["padim"]["aupro"] <= 1
    assert "| left out |" in result.output


def _app():  # noqa: ANN202
    import typer

    app = typer.Typer()
    app.command()(main)
    return app
