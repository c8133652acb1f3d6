import torch

from stream_inspector.diffusion.crops import random_crops


def test_crops_are_squares_of_their_own_sample_anywhere_in_it() -> None:
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(9.0), indexing="ij")
    x = torch.stack([rows, columns])[None].repeat(200, 1, 1, 1)
    x[:, 0] += 100 * torch.arange(200.0)[:, None, None]
    found = random_crops(x, 4, torch.Generator().manual_seed(0))
    assert found.shape == (200, 2, 4, 4)
    top, left = found[:, 0, 0, 0] - 100 * torch.arange(200.0), found[:, 1, 0, 0]
    assert set(top.tolist()) == {0.0, 1.0, 2.0}
    assert set(left.tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}
    torch.testing.assert_close(found[:, 0, 3, 3] - found[:, 0, 0, 0], torch.full((200,), 3.0))


def test_a_small_sample_stays_whole() -> None:
    x = torch.rand(2, 3, 4, 4)
    assert torch.equal(random_crops(x, 8, torch.Generator()), x)
