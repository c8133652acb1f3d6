"""A plan's numbers, each with its reason, and what they cost. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from workers.offline.plan.run import Plan

_TOPICS = 7
_REFRESH_S = 5.0  # models.refresh_s


@dataclass(frozen=True, slots=True)
class Row:
    """One number and why it is what it is."""

    what: str
    value: float
    unit: str
    because: str


def rows(plan: Plan) -> list[Row]:
    """Every number of a plan."""
    return [*_worker(plan), *_machines(plan), *_broker(plan), *_stores(plan)]


def _worker(plan: Plan) -> Iterator[Row]:
    demand, service, constants = plan.demand, plan.service, plan.service.constants
    rate, batch = plan.rate, service.batch(plan.rate)
    yield Row(
        "frames", demand.frames_a_second, "1/s", f"{demand.cameras} cameras x {demand.rate:g}"
    )
    yield Row(
        "busiest worker",
        rate,
        "1/s",
        f"of {plan.working}, without the spare; at most {service.most():.1f}: "
        f"{demand.latency_ms:g} ms, {demand.load:.0%} of its {service.capacity():.1f}",
    )
    yield Row(
        "batch",
        batch,
        "frames",
        f"what comes in {demand.batch_age_ms:g} ms or while one is in work",
    )
    host = service.busy_ms(batch) - service.device_ms(batch)
    yield Row(
        "busy",
        100 * service.busy(rate),
        "%",
        f"a batch: device {service.device_ms(batch):.0f} ms, decoding and shell {host:.1f} ms more",
    )
    yield Row(
        "latency, 95 %",
        service.latency_ms(rate),
        "ms",
        f"{demand.latency_ms:g} wanted; wait {service.wait_ms(rate):.0f} on average, device "
        f"{service.device_ms(batch):.0f}, publishing {constants.publish_ms:g}",
    )


def _machines(plan: Plan) -> Iterator[Row]:
    demand, constants = plan.demand, plan.service.constants
    yield Row("workers", plan.workers, "", f"{plan.working} for the frames, {demand.spare} spare")
    yield Row(
        "partitions",
        plan.partitions,
        "",
        f"{plan.partitions // plan.workers} a worker; cameras "
        + ("have their own (camera.partitions)" if demand.pinned else "are hashed"),
    )
    if demand.accelerator:
        yield Row("accelerators", plan.workers, "", "one a worker")
    cores = plan.workers * constants.cores
    yield Row("cores", cores, "", f"{constants.cores} a worker, as the constants were measured")
    defects = demand.frames_a_second * demand.defects
    each_s = constants.counterpart_s(demand.preset)
    explaining = ceil(defects * each_s / demand.load)
    yield Row(
        "explaining",
        explaining,
        "devices",
        f"{defects:.2g} defects a second x {each_s:.2g} s, {demand.load:.0%} in use",
    )


def _broker(plan: Plan) -> Iterator[Row]:
    demand, constants = plan.demand, plan.service.constants
    frames = demand.frames_a_second
    mb = frames * demand.kb / 1000
    yield Row(
        "broker in", mb * demand.replicas, "MB/s", f"{mb:.1f} MB/s x {demand.replicas} replicas"
    )
    yield Row("broker out", mb * demand.readers, "MB/s", f"{demand.readers} read every frame")
    disk = mb * demand.frame_hours * 3.6 * demand.replicas
    yield Row(
        "broker disk, frames", disk, "GB", f"{demand.frame_hours:g} h x {demand.replicas} replicas"
    )
    events = frames * constants.event_kb * demand.event_hours * 3.6 / 1000 * demand.replicas
    yield Row(
        "broker disk, outcomes",
        events,
        "GB",
        f"{constants.event_kb:g} KB x {demand.event_hours:g} h",
    )
    batches = plan.working * min(
        1000 / max(1.0, constants.publish_ms), plan.rate / plan.service.batch(plan.rate)
    )
    yield Row("transactions", batches, "1/s", "one a finished batch, one at a time a worker")
    yield Row(
        "partitions of all topics",
        plan.partitions * _TOPICS * demand.replicas,
        "",
        f"{_TOPICS} topics x {demand.replicas} replicas",
    )


def _stores(plan: Plan) -> Iterator[Row]:
    demand, constants = plan.demand, plan.service.constants
    why = f"a look at the active versions each {_REFRESH_S:g} s a worker; nothing for each frame"
    yield Row("Redis", plan.workers / _REFRESH_S, "1/s", why)
    case = (demand.kb + 3 * constants.picture_kb) / 1e6
    evidence = demand.frames_a_second * demand.defects * case * 86_400 * demand.evidence_days
    yield Row(
        "evidence",
        evidence,
        "GB",
        f"{demand.defects:.2%} defects x {1000 * case:.2f} MB x {demand.evidence_days:g} days: "
        "evidence.keep.max_gb",
    )


def cost(plan: Plan) -> str:
    """What it costs, with the prices left open."""
    found = {row.what: row.value for row in rows(plan)}
    device = (
        f"{found['accelerators'] + found['explaining']:.0f} x ACCELERATOR + "
        if plan.demand.accelerator
        else ""
    )
    disk = found["broker disk, frames"] + found["broker disk, outcomes"]
    return (
        f"{device}{found['cores']:.0f} x CORE + {disk:.0f} x BROKER_GB + "
        f"{found['evidence']:.0f} x STORE_GB + {found['broker out']:.1f} x NETWORK_MB_S"
    )
