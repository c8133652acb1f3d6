"""kafka-python's errors as ours, branched by what the caller can do."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Literal

from kafka import errors

from workers.runtime.errors import (
    AccessDenied,
    BusUnavailable,
    Fatal,
    MembershipLost,
    MessageTooLarge,
    SettingsError,
    TopicMissing,
    WorkerError,
)

Operation = Literal["Read", "Write", "Create", "Describe"]

_MOST = 200  # characters of the client's own words: some hold a whole request
_MEMBERSHIP = (
    errors.CommitFailedError,
    errors.RebalanceInProgressError,
    errors.IllegalGenerationError,
    errors.UnknownMemberIdError,
)
_FATAL = (
    errors.FencedInstanceIdError,
    errors.InvalidTopicError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.UnsupportedVersionError,
)
_CONFIGURATION = (errors.KafkaConfigurationError, errors.InvalidSessionTimeoutError)


def translate(
    error: Exception, operation: Operation = "Read", name: str | None = None
) -> WorkerError:
    """A client error as one of ours, by what the caller can do.

    `operation`: what was tried, as access control lists name it, and on what, unless the error
    knows.
    """
    error = cause_of(error)
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, _MEMBERSHIP):
        return MembershipLost(what)
    if isinstance(error, errors.MessageSizeTooLargeError):
        return MessageTooLarge(f"{what} (setting kafka.max_frame_bytes, and the topic's own limit)")
    if isinstance(error, _CONFIGURATION):
        return SettingsError(f"kafka: {what}")
    if isinstance(error, errors.AuthorizationError) or "AuthorizationFailed" in what:
        return AccessDenied(f"{_denied(error, operation, name)} [{what[:_MOST]}]")
    return _refused(error, what, name) or BusUnavailable(what)


def cause_of(error: Exception) -> Exception:
    """The error that a producer means which refuses to go on after an earlier one.

    It raises a plain KafkaError then, with the earlier one behind its words: a message that is too
    large must not look like a broker that is away.
    """
    if type(error) is not errors.KafkaError:
        return error
    earlier = [each for each in error.args if isinstance(each, errors.KafkaError)]
    return cause_of(earlier[-1]) if earlier else error


def _refused(error: Exception, what: str, name: str | None) -> WorkerError | None:
    if isinstance(error, _FATAL):
        return Fatal(f"the broker refuses this client: {what}")
    named = [name] if name else list(_names(error.args))
    if isinstance(error, errors.UnknownTopicOrPartitionError) and named:
        return TopicMissing(named)
    return None


def _denied(error: Exception, operation: Operation, name: str | None) -> str:
    """What an access control list lacks, and how it is granted."""
    names = name or ", ".join(_names(error.args))
    if isinstance(error, errors.TopicAuthorizationFailedError):
        kind, flag = "topic", "--topic"
    elif isinstance(error, errors.GroupAuthorizationFailedError):
        kind, flag, operation = "consumer group", "--group", "Read"
    elif isinstance(error, errors.TransactionalIdAuthorizationFailedError):
        kind, flag, operation = "transactional id", "--transactional-id", "Write"
    elif "ClusterAuthorizationFailed" in f"{type(error).__name__}: {error}":
        return (
            f"the broker does not allow this client to {operation}: grant {operation} on its topics"
        )
    else:
        return "the broker does not allow this"
    return (
        f"the broker does not allow {operation} on {kind} {names or '(not named)'}: grant it, for "
        f"instance: kafka-acls.sh --bootstrap-server HOST:PORT --add --allow-principal User:NAME "
        f"--operation {operation} {flag} {names or 'NAME'}"
    )


def _names(args: Iterable[object]) -> Iterator[str]:
    """The names in an error's arguments, which may be names or collections of them."""
    for arg in args:
        if isinstance(arg, str):
            yield arg
        elif isinstance(arg, list | set | frozenset | tuple):
            yield from sorted(map(str, arg))


@contextlib.contextmanager
def translated(operation: Operation = "Read", name: str | None = None) -> Iterator[None]:
    """Raises our errors for the client's."""
    try:
        yield
    except errors.KafkaError as error:
        raise translate(error, operation, name) from error
