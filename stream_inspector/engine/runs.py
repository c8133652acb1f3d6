"""How a batch is cut into runs of an engine: which sizes, and how many places stay empty."""

from collections.abc import Mapping

MOST = 8  # images a run: bounds memory whatever the batch


def plan(count: int, costs: Mapping[int, float]) -> list[int]:
    """Sizes of the runs for `count` images that take least by `costs` (size -> ms of a run).

    The last may have more places than there are images left. Without costs: as few runs as there
    can be, and no empty places.
    """
    if not costs:
        return [MOST] * (count // MOST) + [count % MOST] * (count % MOST > 0)
    least: list[tuple[float, int]] = [(0.0, 0)]  # images -> ms, size of the last run
    for images in range(1, count + 1):
        least.append(
            min((cost + least[max(0, images - size)][0], size) for size, cost in costs.items())
        )
    runs = []
    while count > 0:
        runs.append(least[count][1])
        count -= runs[-1]
    return sorted(runs, reverse=True)
