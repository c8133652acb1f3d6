"""kafka-python's errors as ours, branched by what the caller can do."""

import contextlib
from collections.abc import Iterator

from kafka import errors

from workers.runtime.errors import (
    BusUnavailable,
    Fatal,
    MembershipLost,
    MessageTooLarge,
    SettingsError,
    WorkerError,
)

_MEMBERSHIP = (
    errors.CommitFailedError,
    errors.RebalanceInProgressError,
    errors.IllegalGenerationError,
    errors.UnknownMemberIdError,
)
_FATAL = (
    errors.AuthorizationError,
    errors.FencedInstanceIdError,
    errors.InvalidTopicError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.UnsupportedVersionError,
)
_CONFIGURATION = (errors.KafkaConfigurationError, errors.InvalidSessionTimeoutError)


def translate(error: Exception) -> WorkerError:
    """A client error as one of ours, by what the caller can do."""
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, _MEMBERSHIP):
        return MembershipLost(what)
    if isinstance(error, errors.MessageSizeTooLargeError):
        return MessageTooLarge(f"{what} (setting kafka.max_frame_bytes, and the topic's own limit)")
    if isinstance(error, _CONFIGURATION):
        return SettingsError(f"kafka: {what}")
    if isinstance(error, _FATAL):
        return Fatal(f"the broker refuses this client: {what}")
    return BusUnavailable(what)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raises our errors for the client's."""
    try:
        yield
    except errors.KafkaError as error:
        raise translate(error) from error
