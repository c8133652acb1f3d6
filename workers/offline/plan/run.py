"""A line's demand and a machine's constants -> workers and partitions. Pure."""

from dataclasses import dataclass
from math import ceil

from workers.offline.plan.constants import Constants
from workers.offline.plan.demand import Demand
from workers.offline.plan.queue import Service
from workers.offline.plan.spread import busiest, partitions_for
from workers.runtime.errors import SettingsError

_MOST_WORKERS = 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """What a line needs."""

    demand: Demand
    service: Service
    working: int  # workers that carry the line
    partitions: int
    rate: float  # frames a second of the busiest of them, when the spare ones are gone

    @property
    def workers(self) -> int:
        """With the spare ones."""
        return self.working + self.demand.spare


def plan(demand: Demand, constants: Constants) -> Plan:
    """Workers and partitions. Raises SettingsError for what no number of workers can do."""
    service = Service(constants, demand)
    most = service.most()
    if most == 0:
        raise SettingsError(_too_slow(service))
    if demand.rate > most:
        raise SettingsError(
            f"a camera sends {demand.rate:g} frames a second, and a worker takes {most:.1f} of "
            "them: one camera is one partition is one worker; use a faster device or preset, "
            "allow more latency, or give the camera two ids"
        )
    for workers in range(max(1, ceil(demand.frames_a_second / most)), _MOST_WORKERS):
        partitions = partitions_for(workers + demand.spare, demand.cameras, pinned=demand.pinned)
        rate = demand.rate * busiest(demand.cameras, partitions, workers, pinned=demand.pinned)
        if rate <= most:
            return Plan(demand, service, workers, partitions, rate)
    raise SettingsError(f"more than {_MOST_WORKERS} workers: split the line into several stages")


def _too_slow(service: Service) -> str:
    demand = service.demand
    alone = service.latency_ms(1e-6)
    return (
        f"{demand.latency_ms:g} ms cannot be kept: a frame alone takes {alone:.0f} (batch age "
        f"{demand.batch_age_ms:g}, decoding {service.decode_ms:.1f}, detector "
        f"{service.device_ms(1):.0f}, publishing {service.constants.publish_ms:g}); lower "
        "--batch-age, or use a faster device or preset"
    )
