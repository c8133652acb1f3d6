"""Errors of the shell, branched by what the caller can do.

WorkerError
├── Transient         try again after a pause (a server that is away)
│   ├── BusUnavailable    the broker
│   ├── TopicMissing      the broker has no such topic; it is there, and goes on when it is made
│   └── StoreUnavailable  Redis or the artefact store
├── Fatal             stop; the process ends with `exit_code`
│   ├── SettingsError     a wrong key or value; says its path and what is allowed
│   │   └── NoSuchPartition   a message is meant for a partition that its topic does not have
│   ├── ServerUnreachable gave up on a server at start; names address and setting
│   │   └── AdvertisedUnreachable  the broker answered, but not where it says that it is
│   ├── AccessDenied      a login, certificate or permission was refused; says what to grant or set
│   ├── DeviceHung        the device did not answer within its deadline
│   └── DecoderLost       no process can be started that decodes pictures
├── MessageTooLarge   the broker or the client refuses a message of this size; a smaller one passes
└── MembershipLost    partitions were taken away; what was in flight is delivered again

Poison input is not an exception here: a bad frame becomes a rejected outcome (see
`stream_inspector.errors.FrameRejected` and `schemas.errors.SchemaError`).
"""

from collections.abc import Iterable

from workers.runtime.secrets import conceal


class WorkerError(Exception):
    """Root of the shell's errors. No message holds a secret, whatever a client library said."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(conceal(arg) if isinstance(arg, str) else arg for arg in args))


class Transient(WorkerError):
    """Try again after a pause."""


class BusUnavailable(Transient):
    """The broker did not answer."""


class TopicMissing(Transient):
    """A topic does not exist, or this login may not see it; somebody has to create it."""

    def __init__(self, topics: Iterable[str]) -> None:
        named = ", ".join(sorted(topics))
        super().__init__(
            f"topic {named} does not exist, or may not be seen by this login: create it "
            "(`stream-inspector topics create`), or correct topics.*"
        )


class StoreUnavailable(Transient):
    """Redis or the artefact store did not answer."""


class Fatal(WorkerError):
    """The process cannot go on."""

    exit_code = 70  # EX_SOFTWARE


class SettingsError(Fatal):
    """A setting is wrong."""

    exit_code = 78  # EX_CONFIG


class NoSuchPartition(SettingsError):
    """A message is meant for a partition that its topic does not have."""


class ServerUnreachable(Fatal):
    """A server was not reachable within the start deadline."""

    exit_code = 69  # EX_UNAVAILABLE


class AdvertisedUnreachable(ServerUnreachable):
    """The broker answered at the bootstrap address, but not at those that it names for itself."""


class AccessDenied(Fatal):
    """A server knows us not, or does not allow this; `do` says what helps."""

    exit_code = 77  # EX_NOPERM

    def __init__(
        self, message: str, do: str = "grant the right, or set a login that has it"
    ) -> None:
        super().__init__(message)
        self.do = do


class DeviceHung(Fatal):
    """The device (or a client library) did not answer; only a new process can help."""

    exit_code = 75  # EX_TEMPFAIL


class DecoderLost(Fatal):
    """No process that decodes pictures can be started; none of them is at fault."""

    exit_code = 75  # EX_TEMPFAIL


class MembershipLost(WorkerError):
    """The group took partitions away before their work was committed."""


class MessageTooLarge(WorkerError):
    """A message is larger than `kafka.max_frame_bytes` leaves room for, or than its topic takes."""
