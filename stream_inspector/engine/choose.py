"""Which engine scores a model: the one that was asked for, or the fastest that can."""

from stream_inspector.engine.choice import Choice
from stream_inspector.engine.scorer import EXACT, Forward, Scorer
from stream_inspector.engine.sessions import SESSIONS, installed, usable_threads
from stream_inspector.errors import EngineMissing
from stream_inspector.model.version import Model

TORCH, AUTO = "torch", "auto"
ENGINES = (AUTO, TORCH, *SESSIONS)


def choose(model: Model, wanted: str, device: str, measured: Choice | None = None) -> Choice:
    """The engine for a model: "auto" is PyTorch on accelerators and elsewhere what was `measured`
    to be fastest on such a machine, ONNX Runtime in single precision where nothing was.

    What no graph can say runs in PyTorch whatever is wanted. Raises ValueError.
    """
    if wanted not in ENGINES:
        raise ValueError(f"engine {wanted!r} is none of {', '.join(ENGINES)}")
    if wanted == TORCH:
        return Choice(TORCH, "asked for")
    if not device.startswith("cpu"):
        return Choice(TORCH, "on an accelerator")
    odd = why_no_graph(model)
    if odd:
        return Choice(TORCH, f"no graph can be written: {odd}")
    if wanted != AUTO:
        return Choice(wanted, "asked for")
    here = installed()
    if measured is not None and measured.name in here:
        return measured
    return Choice(here[0], "on a processor") if here else Choice(TORCH, "no other is installed")


def open_scorer(
    model: Model,
    wanted: str,
    device: str,
    threads: int | None,
    forward: Forward = EXACT,
    *,
    measured: Choice | None = None,
) -> Scorer:
    """The model on its engine. Raises ValueError, EngineMissing, ModelCorrupt."""
    choice = choose(model, wanted, device, measured)
    if choice.name == TORCH:
        return _in_torch(model, device, threads, choice.reason, forward)
    from stream_inspector.engine.graph_scorer import GraphScorer  # noqa: PLC0415  onnx

    return GraphScorer(model, choice, threads or usable_threads())


def _in_torch(
    model: Model, device: str, threads: int | None, reason: str, forward: Forward
) -> Scorer:
    try:
        import torch  # noqa: PLC0415  seconds, and not in every image

        from stream_inspector.engine.torch_scorer import TorchScorer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise EngineMissing(
            f"model {model.version} needs PyTorch ({reason}), and {error.name} is not installed; "
            "install the extra `worker`"
        ) from error
    if threads is not None:
        torch.set_num_threads(threads)
    return TorchScorer(model, device, forward)


def why_no_graph(model: Model) -> str:
    """Why a model cannot be written as a graph; empty: it can."""
    from stream_inspector.engine.graph.whole import why_not  # noqa: PLC0415  onnx

    return why_not(model.preset, sum(each.nbytes for each in model.tensors.values()))
