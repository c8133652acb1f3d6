import pytest
import torch
from parts import Remembering, Small, part_of

from stream_inspector.engine.cache import graph_key
from stream_inspector.engine.graph import emptied, export, filled, graph
from stream_inspector.engine.part import Part, Runner, disagreement, torch_runner
from stream_inspector.engine.sessions import SESSIONS, onnxruntime_runner
from stream_inspector.errors import EngineMissing

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("graph")]

CPU = torch.device("cpu")


def _runner(name: str, graph: bytes) -> Runner:
    try:
        return SESSIONS[name](graph, 1)
    except EngineMissing:
        pytest.skip(f"{name} is an extra")


@pytest.fixture(scope="module", params=[True, False])
def exported(request: pytest.FixtureRequest) -> tuple[Part, bytes]:
    part = part_of(Small(features=request.param))
    return part, graph(part, None)


@pytest.mark.parametrize("engine", SESSIONS)
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_engines_agree_at_every_batch(
    engine: str, batch: int, exported: tuple[Part, bytes]
) -> None:
    part, onnx = exported
    inputs = (torch.randn(batch, 3, 8, 8), torch.arange(batch) + 1)
    run = _runner(engine, onnx)
    assert disagreement(run, torch_runner(part.module, CPU), inputs) < 1e-5


@pytest.mark.parametrize("engine", SESSIONS)
def test_results_outlive_the_next_run(engine: str, exported: tuple[Part, bytes]) -> None:
    part, onnx = exported
    run = _runner(engine, onnx)
    first = run(*part.example)[0]
    before = first.clone()
    run(*(2 * x for x in part.example))
    assert torch.equal(first, before)


def test_an_emptied_graph_holds_no_weights_and_takes_any() -> None:
    one, other = part_of(Small(seed=0)), part_of(Small(seed=1))
    empty = emptied(export(one), one.module)
    assert one.module.conv.weight.detach().numpy().tobytes() not in empty
    run = onnxruntime_runner(filled(empty, other.module), 1)
    assert disagreement(run, torch_runner(other.module, CPU), other.example) < 1e-5


def test_frozen_weights_are_kept_with_their_graph() -> None:
    cache, part = Remembering(), part_of(Small(), frozen=True)
    kept = graph(part, cache)
    assert list(cache.values()) == [kept]
    assert graph_key(part) != graph_key(part_of(Small(seed=1), frozen=True))
    assert graph_key(part_of(Small())) == graph_key(part_of(Small(seed=1)))


def test_a_graph_belongs_to_the_shapes_of_its_inputs() -> None:
    wide = Part("net", Small().eval(), (torch.zeros(2, 3, 8, 9), torch.ones(2)), "small", False)
    assert graph_key(wide) != graph_key(part_of(Small()))
