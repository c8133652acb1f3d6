"""One worker as a server of batches: how busy, how late. Pure; milliseconds and frames a second."""

import math
from dataclasses import dataclass

from workers.offline.plan.constants import Constants
from workers.offline.plan.demand import Demand

_LATE = 0.05
_TAIL = -math.log(_LATE)  # waits of a queue end exponentially: 5 % are longer than so many means
_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Service:
    """What one worker does with frames of one kind."""

    constants: Constants
    demand: Demand

    @property
    def host_ms(self) -> float:
        """CPU-milliseconds a frame beside the detector: decoding and the shell."""
        return self.decode_ms + self.shell_ms

    @property
    def decode_ms(self) -> float:
        """CPU-milliseconds of decoding a frame."""
        per_megapixel = self.constants.decode_ms_megapixel[self.demand.kind]
        return per_megapixel * self.demand.megapixels

    @property
    def shell_ms(self) -> float:
        """CPU-milliseconds of reading, telling and publishing a frame."""
        return self.constants.shell_ms + self.constants.shell_ms_megabyte * self.demand.kb / 1000

    def device_ms(self, batch: float) -> float:
        """Of a batch of frames."""
        return self.constants.device_ms(self.demand.preset, batch * self.demand.images)

    def batch(self, rate: float) -> float:
        """Mean frames of a batch: what came while the one before was in work; after a pause what
        comes within the batch age. Frames come at random."""
        found = 1.0
        for _ in range(_ROUNDS):  # the longer a batch takes, the larger is the next
            found = (found + min(float(self.demand.batch_max), self._collected(rate, found))) / 2
        return found

    def _collected(self, rate: float, batch: float) -> float:
        age_s, work_s = self.demand.batch_age_ms / 1000, self.busy_ms(batch) / 1000
        none = math.exp(-rate * work_s)  # nothing came meanwhile
        left_s = max(0.0, age_s - work_s / 2)  # what did come waits for its age
        return rate * work_s + none * (1 + rate * age_s) + (1 - none) * rate * left_s

    def busy_ms(self, batch: float) -> float:
        """Time that a batch keeps the worker from the next: on a processor both share the cores."""
        host, device = batch * self.host_ms / self.constants.cores, self.device_ms(batch)
        return max(device, host) if self.demand.accelerator else device + host

    def busy(self, rate: float) -> float:
        """Share of time that some batch is in work; small batches make it large long before 1."""
        return self._share(rate, self.busy_ms(self.batch(rate)))

    def device_busy(self, rate: float) -> float:
        """The same of its device alone (`inspector_device_busy_seconds_total`)."""
        return self._share(rate, self.device_ms(self.batch(rate)))

    def _share(self, rate: float, work_ms: float) -> float:
        return min(1.0, rate * work_ms / 1000 / self.batch(rate))

    def capacity(self) -> float:
        """Frames a second at which a worker just keeps up, in full batches."""
        full = self.demand.batch_max
        return 1000 * full / self.busy_ms(full)

    def load(self, rate: float) -> float:
        """Share of its capacity; above 1 it falls behind."""
        return rate / self.capacity()

    def queue_ms(self, rate: float) -> float:
        """Mean wait behind more than one batch (M/D/1 in bulk: half a frame's share, by load)."""
        load = self.load(rate)
        return math.inf if load >= 1 else 1000 / self.capacity() / 2 * load / (1 - load)

    def wait_ms(self, rate: float) -> float:
        """Mean wait for the device: the rest of a batch in work, and the queue."""
        return self.busy_ms(self.batch(rate)) * self.busy(rate) / 2 + self.queue_ms(rate)

    def latency_ms(self, rate: float) -> float:
        """From capture to outcome, 95 % of frames."""
        batch, busy, demand = self.batch(rate), self.busy(rate), self.demand
        work = self.busy_ms(batch)
        rest = work * max(0.0, 1 - _LATE / busy)  # 5 % come sooner after the batch began
        filling = 1000 * (demand.batch_max - 1) / rate
        waits = max(rest, min(demand.batch_age_ms, filling)) + _TAIL * self.queue_ms(rate)
        own = self.decode_ms + self.shell_ms + work
        return waits + own + self.constants.publish_ms

    def most(self) -> float:
        """The most frames a second within the wanted latency and business; 0: not even one."""

        def fits(rate: float) -> bool:
            late = self.latency_ms(rate) > self.demand.latency_ms
            return not late and self.load(rate) <= self.demand.load

        low, high = 0.0, self.capacity()
        if not fits(1e-6):
            return 0.0
        for _ in range(_ROUNDS):
            middle = (low + high) / 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        return low
