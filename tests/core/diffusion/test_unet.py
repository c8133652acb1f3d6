from dataclasses import replace

import pytest
import torch

from stream_inspector.diffusion.layers import AttentionBlock, ResBlock, time_embedding
from stream_inspector.diffusion.unet import UNet
from stream_inspector.presets import NetworkShape

SHAPE = NetworkShape(channels=8, multipliers=(1, 2), res_blocks=1, attention=(2,), head_channels=4)
X, T = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([3, 700])


def _awake(shape: NetworkShape, channels: int = 3) -> UNet:
    """A network without zeroed layers, so that every path shows in its output."""
    torch.manual_seed(0)
    network = UNet(shape, channels).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def test_a_new_network_predicts_nothing() -> None:
    raw, features = UNet(SHAPE, 3)(X, T)
    assert raw.shape == (2, 6, 16, 16)
    assert features is None
    assert not raw.any()


@pytest.mark.parametrize("change", [{"learned_variance": False}, {"updown": False}, {"patch": 2}])
def test_shapes_follow_the_configuration(change: dict[str, bool | int]) -> None:
    shape = replace(SHAPE, **change)  # type: ignore[arg-type]  # fields of several types
    raw, _ = _awake(shape)(X, T)
    assert raw.shape == (2, 6 if shape.learned_variance else 3, 16, 16)


@pytest.mark.parametrize(("level", "side"), [(1, 16), (2, 8)])
@pytest.mark.slow
def test_the_feature_head_reads_its_decoder_level(level: int, side: int) -> None:
    network = _awake(replace(SHAPE, feature_channels=5, feature_level=level))
    raw, features = network(X, T)
    assert features is not None
    assert features.shape == (2, 5, side, side)
    plain = _awake(SHAPE)
    plain.load_state_dict(network.state_dict(), strict=False)
    torch.testing.assert_close(raw, plain(X, T)[0])  # the head leaves the decoder alone


def test_the_output_depends_on_time_and_on_far_pixels() -> None:
    network = _awake(SHAPE)
    base, _ = network(X, T)
    assert not torch.allclose(base, network(X, T + 200)[0])
    far = X.clone()
    far[:, :, 0, 0] += 1
    assert not torch.equal(base[:, :, -1, -1], network(far, T)[0][:, :, -1, -1])


def test_a_position_input_acts_at_its_place() -> None:
    network = _awake(replace(SHAPE, position=(16, 16), multipliers=(1,), attention=()))
    before, _ = network(X, T)
    with torch.no_grad():
        network.position[0, :, 2, 3] += 3.0
    change = (network(X, T)[0] - before).abs().sum(dim=(0, 1))
    assert divmod(int(change.argmax()), 16) in {(y, x) for y in (1, 2, 3) for x in (2, 3, 4)}
    assert float(change.max()) > 3 * float(change[10:, 10:].max())


def test_a_class_label_is_asked_for_and_used() -> None:
    network = _awake(replace(SHAPE, classes=2))
    one, other = network(X, T, torch.tensor([0, 0]))[0], network(X, T, torch.tensor([1, 1]))[0]
    assert not torch.allclose(one, other)
    with pytest.raises(ValueError, match="label"):
        network(X, T)


def test_time_embedding_by_hand() -> None:
    embedding = time_embedding(torch.tensor([2]), 4)[0]
    t = torch.tensor([2.0, 0.02])  # frequencies 1 and 10000^(-1/2)
    torch.testing.assert_close(embedding, torch.cat([t.cos(), t.sin()]))


def test_attention_equals_the_naive_formula() -> None:
    torch.manual_seed(1)
    block, x = AttentionBlock(8, head_channels=4), torch.randn(2, 8, 3, 3)
    torch.nn.init.normal_(block.proj_out.weight)
    flat = x.reshape(2, 8, 9)
    heads = block.qkv(block.norm(flat)).reshape(2, 2, 12, 9)
    q, k, v = heads[:, :, :4], heads[:, :, 4:8], heads[:, :, 8:]
    weight = torch.softmax(torch.einsum("bhct,bhcs->bhts", q, k) / 2, dim=-1)
    out = torch.einsum("bhts,bhcs->bhct", weight, v).reshape(2, 8, 9)
    torch.testing.assert_close(block(x), (flat + block.proj_out(out)).reshape(x.shape))


def test_a_new_residual_block_is_the_identity() -> None:
    block, x = ResBlock(8, 8, embedding=16, scale_shift=True), torch.randn(1, 8, 4, 4)
    torch.testing.assert_close(block(x, torch.randn(1, 16)), x)


def test_heads_must_divide_the_channels() -> None:
    with pytest.raises(ValueError, match="do not divide"):
        AttentionBlock(10, head_channels=4)


def test_names_follow_guided_diffusion() -> None:
    names = set(UNet(SHAPE, 3).state_dict())
    assert {
        "time_embed.0.weight",
        "input_blocks.0.0.weight",
        "input_blocks.1.0.in_layers.2.weight",
        "input_blocks.1.0.emb_layers.1.weight",
        "input_blocks.1.0.out_layers.3.weight",
        "middle_block.1.qkv.weight",
        "middle_block.1.proj_out.weight",
        "output_blocks.0.0.skip_connection.weight",
        "out.2.weight",
    } <= names


def test_recomputing_activations_leaves_the_gradients_alone() -> None:
    shape = replace(SHAPE, feature_channels=5, feature_level=2)
    gradients = []
    for recompute in (False, True):
        network = _awake(shape)
        network.recompute = recompute
        raw, features = network(X, T)
        assert features is not None
        (raw.square().mean() + features.square().mean()).backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    for kept, recomputed in zip(*gradients, strict=True):
        assert kept is not None
        assert torch.equal(kept, recomputed)


def test_recomputing_keeps_fewer_activations() -> None:
    kept = []
    for recompute in (False, True):
        network, tensors = _awake(SHAPE), []
        network.recompute = recompute
        with torch.autograd.graph.saved_tensors_hooks(
            lambda saved, tensors=tensors: tensors.append(saved.numel()) or saved, lambda x: x
        ):
            network(X, T)
        kept.append(sum(tensors))
    assert kept[1] < kept[0] / 3
