"""Checkpoints of guided diffusion in our network, held against another construction of it."""

from dataclasses import replace

import pytest
import torch
from guided_diffusion import Layout, State, checkpoint, predict
from torch import Tensor

from stream_inspector.diffusion.pretrained import Adopted, adopt
from stream_inspector.diffusion.unet import UNet
from stream_inspector.errors import WeightsRefused
from stream_inspector.presets import FEATURE_FAST, PAPER, Diffusion, for_categories

OPENAI = Layout(16, (1, 1, 2, 2), 2, (4, 8), 8)
CONDITIONAL = replace(OPENAI, classes=10)
# output blocks of 4 levels of 3: 0-2 at factor 8, 3-5 at 4, 6-8 at 2; the head reads one early
AUTHORS = replace(CONDITIONAL, features=5, features_after=4)
X = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
T, Y = torch.tensor([3, 700]), torch.tensor([1, 0])


def diffusion(classes: int = 0, features: int = 5) -> Diffusion:
    """The paper's row at the layout's size."""
    shape = replace(
        PAPER.pixel.network,
        channels=16,
        multipliers=(1, 1, 2, 2),
        attention=(4, 8),
        head_channels=8,
        classes=classes,
        feature_channels=features,
    )
    return replace(PAPER.pixel, network=shape)


def network(adopted: Adopted, wanted: Diffusion) -> UNet:
    shape = replace(wanted.network, feature_early=adopted.feature_early)
    made = UNet(shape, 3).eval()
    made.load_state_dict(dict(adopted.weights), strict=False)
    return made


def run(adopted: Adopted, wanted: Diffusion, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
    told = () if y is None else (y,)
    with torch.no_grad():
        raw, features = network(adopted, wanted)(X, T, *told)
    assert features is not None
    return raw, features


def same(found: Tensor, expected: Tensor | None) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def accounted(adopted: Adopted, state: State, wanted: Diffusion) -> None:
    """Every tensor of the file and of the network has one fate."""
    with torch.device("meta"):
        names = UNet(wanted.network, 3).state_dict().keys()
    assert {*adopted.weights, *adopted.new} == set(names)
    assert not {*adopted.weights} & {*adopted.new}
    assert len(adopted.taken) + len(adopted.left_out) == len(state)


def test_the_unconditional_checkpoint() -> None:
    state, wanted = checkpoint(OPENAI), diffusion()
    adopted = adopt(state, wanted)
    same(run(adopted, wanted)[0], predict(OPENAI, state, X, T)[0])
    accounted(adopted, state, wanted)
    assert adopted.left_out == ()
    assert all(name.startswith("feature_head.") for name in adopted.new)


def test_the_conditional_checkpoint_leaves_its_labels_out() -> None:
    state, wanted = checkpoint(CONDITIONAL), diffusion()
    adopted = adopt(state, wanted)
    same(run(adopted, wanted)[0], predict(CONDITIONAL, state, X, T)[0])
    accounted(adopted, state, wanted)
    assert adopted.left_out == ("label_emb.weight",)


def test_labels_are_cut_to_the_classes_that_there_are() -> None:
    state, wanted = checkpoint(CONDITIONAL), diffusion(classes=2)
    adopted = adopt(state, wanted)
    same(run(adopted, wanted, Y)[0], predict(CONDITIONAL, state, X, T, Y)[0])
    accounted(adopted, state, wanted)
    more = adopt(state, diffusion(classes=11))
    assert "label_emb.weight" in more.new
    assert more.left_out == ("label_emb.weight",)


def test_a_network_without_labels_may_keep_one_class() -> None:
    state, wanted = checkpoint(CONDITIONAL), diffusion()
    adopted = adopt(state, wanted, label=7)
    expected = predict(CONDITIONAL, state, X, T, torch.tensor([7, 7]))[0]
    same(run(adopted, wanted)[0], expected)
    accounted(adopted, state, wanted)
    assert "row 7 of label_emb.weight" in adopted.taken[-1]
    for label, what in ((10, "it has 10 class"), (-1, "it has 10 class")):
        with pytest.raises(WeightsRefused, match=what):
            adopt(state, wanted, label)
    with pytest.raises(WeightsRefused, match="it has no class labels"):
        adopt(checkpoint(OPENAI), wanted, 0)


def test_the_authors_checkpoint_with_its_head_where_it_reads() -> None:
    state, wanted = checkpoint(AUTHORS), diffusion()
    adopted = adopt(state, wanted)
    raw, features = predict(AUTHORS, state, X, T)
    found = run(adopted, wanted)
    same(found[0], raw)
    same(found[1], features)
    accounted(adopted, state, wanted)
    assert adopted.feature_early == 1
    assert adopted.new == ()
    later = network(replace(adopted, feature_early=0), wanted)(X, T)[1]
    assert not torch.allclose(later, features, atol=0.1)  # a block on it reads something else


def test_the_papers_own_size_has_the_released_block() -> None:
    with torch.device("meta"):
        ours = UNet(PAPER.pixel.network, 3)
        theirs = UNet(replace(PAPER.pixel.network, feature_early=1), 3)
    assert (ours.feature_block, theirs.feature_block) == (11, 10)


def test_every_name_and_shape_of_the_papers_size() -> None:
    """At the size of `256x256_diffusion.pt`, without its weights."""
    layout = Layout(256, (1, 1, 2, 2, 4, 4), 2, (8, 16, 32), 64, classes=1000)
    file = checkpoint(layout, shapes_only=True)
    with torch.device("meta"):
        ours = UNet(for_categories(PAPER, 15).pixel.network, 3).state_dict()
    assert file.keys() == {name for name in ours if not name.startswith("feature_head.")}
    others = {name: value.shape for name, value in file.items() if name != "label_emb.weight"}
    assert others.items() <= {name: value.shape for name, value in ours.items()}.items()


def test_a_head_for_other_features_is_left_out() -> None:
    state, wanted = checkpoint(AUTHORS), diffusion(features=6)
    adopted = adopt(state, wanted)
    same(run(adopted, wanted)[0], predict(AUTHORS, state, X, T)[0])
    accounted(adopted, state, wanted)
    assert adopted.feature_early == 0
    assert {name.split(".")[0] for name in adopted.left_out} == {"feat_rec1", "label_emb"}


@pytest.mark.parametrize("prefix", ["module.", "state_dict.", "model.diffusion."])
def test_wrapped_networks_are_found(prefix: str) -> None:
    state, wanted = checkpoint(OPENAI), diffusion()
    wrapped = {prefix + name: value.half() for name, value in state.items()}
    adopted = adopt({**wrapped, "step": torch.tensor(3)}, wanted)
    found = run(adopted, wanted)[0]
    torch.testing.assert_close(found, predict(OPENAI, state, X, T)[0], rtol=0.02, atol=0.02)
    assert adopted.left_out == ("step",)
    assert adopted.told()[1] == "left out: step"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 32}, "16 channels, levels .*other shapes: time_embed.0.weight .*and .* more"),
        ({"multipliers": (1, 1, 2)}, "missing: input_blocks.9.0"),
        ({"multipliers": (1, 1, 2, 2, 2)}, "not in the network: input_blocks.12.0"),
        ({"res_blocks": 1}, "missing"),
        ({"attention": (8,)}, r"missing: input_blocks.7.1.norm.weight"),
        ({"attention": (2, 4, 8)}, r"not in the network: input_blocks.4.1.norm.weight"),
    ],
)
def test_another_network_is_refused_by_what_differs(change: dict, message: str) -> None:
    with pytest.raises(WeightsRefused, match=message):
        adopt(checkpoint(replace(OPENAI, **change)), diffusion())


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(WeightsRefused, match=r"holds none. Its tensors begin with a, b, c and 1 m"):
        adopt(dict.fromkeys("abcd", torch.zeros(1)), diffusion())
    two = {f"{k}.{n}": v for n, v in checkpoint(OPENAI).items() for k in ("ema", "model")}
    with pytest.raises(WeightsRefused, match=r"it holds 2 networks \(ema., model.\)"):
        adopt(two, diffusion())
    with pytest.raises(WeightsRefused, match="it is of another network than 48 channels"):
        adopt(checkpoint(OPENAI), FEATURE_FAST.pixel)


def test_one_tensor_that_is_missing_odd_or_reshaped_is_named() -> None:
    state = checkpoint(OPENAI)
    gone = {name: value for name, value in state.items() if name != "out.2.bias"}
    with pytest.raises(WeightsRefused, match=r"missing: out.2.bias$"):
        adopt(gone, diffusion())
    with pytest.raises(WeightsRefused, match=r"not in the network: extra.weight$"):
        adopt({**state, "extra.weight": torch.zeros(1)}, diffusion())
    reshaped = {**state, "out.2.bias": torch.zeros(3)}
    with pytest.raises(WeightsRefused, match=r"shapes: out.2.bias \[3\] where \[6\] is needed$"):
        adopt(reshaped, diffusion())
