import pytest
import torch

from stream_inspector.image.augment import random_degrees, rotated


def test_no_angle_changes_nothing() -> None:
    x = torch.rand(2, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(rotated(x, torch.zeros(2)), x, atol=1e-5, rtol=0)


def test_a_quarter_turn_goes_counter_clockwise() -> None:
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    turned = rotated(x, torch.tensor([90.0]))
    torch.testing.assert_close(turned, torch.rot90(x, 1, dims=(2, 3)), atol=1e-4, rtol=0)


def test_a_wide_image_is_turned_without_shear() -> None:
    """A point 20 pixels right of the centre ends 20 cos a right and 20 sin a above it."""
    x = torch.zeros(1, 1, 41, 81)
    x[0, 0, 20, 60] = 1.0
    y, right = divmod(int(rotated(x, torch.tensor([30.0])).argmax()), 81)
    assert (y, right) == (10, 57)


def test_corners_mirror_the_image_and_are_never_black() -> None:
    x = torch.full((1, 3, 32, 48), 0.7)
    torch.testing.assert_close(rotated(x, torch.tensor([5.0])), x)


def test_each_image_has_its_own_angle() -> None:
    x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)).repeat(2, 1, 1, 1)
    one, other = rotated(x, torch.tensor([0.0, 5.0]))
    assert not torch.allclose(one, other, atol=0.01)


def test_angles_fill_the_range_both_ways() -> None:
    angles = random_degrees(1000, 5.0, torch.Generator().manual_seed(0))
    assert float(angles.abs().max()) <= 5.0
    assert float(angles.min()) < -4.5
    assert float(angles.max()) > 4.5
    assert float(angles.mean()) == pytest.approx(0, abs=0.3)
