import pytest
import torch
from core.conftest import good_images, scratched

from stream_inspector.baselines import METHODS, method
from stream_inspector.baselines.method import nearest_distances, neighbourhood_means
from stream_inspector.baselines.training import Training, iterations
from stream_inspector.features import load_feature_net, to_tensor
from stream_inspector.score.ensemble import image_scores


def test_nearest_distances_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, bank = torch.randn(11, 4), torch.randn(6, 4)
    expected = torch.cdist(queries, bank).amin(1)
    torch.testing.assert_close(nearest_distances(queries, bank), expected, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(method, "_PAIRS", 12)
    torch.testing.assert_close(nearest_distances(queries, bank), expected, rtol=1e-4, atol=1e-4)


def test_means_at_the_border_are_over_what_is_there() -> None:
    means = neighbourhood_means(torch.arange(9.0).reshape(1, 1, 3, 3))[0, 0]
    assert means[0, 0] == pytest.approx((0 + 1 + 3 + 4) / 4)
    assert means[1, 1] == pytest.approx(4)


@pytest.fixture(scope="module")
def features() -> tuple[torch.Tensor, torch.Tensor]:
    """Of good images, and of five more good ones and a scratched one."""
    net, fresh = load_feature_net((8, 8)), good_images(5, seed=8)
    with torch.inference_mode():
        good = net(to_tensor(good_images(20)))
        return good, net(to_tensor([*fresh, scratched(fresh[0])]))


@pytest.mark.parametrize("name", [name for name, each in METHODS.items() if not each.pixels])
def test_every_method_on_features_finds_the_scratch(
    name: str, features: tuple[torch.Tensor, torch.Tensor]
) -> None:
    good, test = features
    count = min(METHODS[name].iterations, 12)
    fitted = METHODS[name].fit(good, Training(0, iterations(count)))
    with torch.inference_mode():
        maps, own = fitted.score(test)
    scores = image_scores(maps, 4) if own is None else own
    assert maps.shape == (6, 8, 8)
    assert scores[5] > scores[:5].max()
    y, x = divmod(int(maps[5].argmax()), 8)
    assert 2 <= y < 6
    assert 1 <= x < 7
