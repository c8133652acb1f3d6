"""Client errors branch by what the caller can do; nothing of the client leaks out."""

from typing import Any

import pytest
from kafka import errors

from workers.runtime.bus.kafka.errors import translate
from workers.runtime.errors import (
    AccessDenied,
    BusUnavailable,
    Fatal,
    MembershipLost,
    MessageTooLarge,
    SettingsError,
    WorkerError,
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.CommitFailedError(), MembershipLost),
        (errors.RebalanceInProgressError(), MembershipLost),
        (errors.IllegalGenerationError(), MembershipLost),
        (errors.UnknownMemberIdError(), MembershipLost),
        (errors.MessageSizeTooLargeError(), MessageTooLarge),
        (errors.InvalidSessionTimeoutError(), SettingsError),
        (errors.KafkaConfigurationError(), SettingsError),
        (errors.TopicAuthorizationFailedError(), AccessDenied),
        (errors.SaslAuthenticationFailedError(), Fatal),
        (errors.FencedInstanceIdError(), Fatal),
        (errors.UnsupportedVersionError(), Fatal),
        (errors.KafkaTimeoutError(), BusUnavailable),
        (errors.NotLeaderForPartitionError(), BusUnavailable),
        (errors.UnknownProducerIdError(), BusUnavailable),
    ],
)
def test_each_error_has_its_branch(error: Exception, kind: type[WorkerError]) -> None:
    found = translate(error)
    assert type(found) is kind
    assert type(error).__name__ in str(found)


def test_every_retriable_error_of_the_client_is_transient() -> None:
    """Fails when a new client makes something retriable that we would give up on."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    retriable = [kind for kind in kinds if issubclass(kind, errors.RetriableError)]
    assert len(retriable) > 20
    assert {type(translate(kind())) for kind in retriable} == {BusUnavailable}


@pytest.mark.parametrize(
    ("error", "operation", "words"),
    [
        (errors.TopicAuthorizationFailedError("a"), "Write", "Write on topic a: grant"),
        (errors.TopicAuthorizationFailedError({"b", "a"}), "Read", "Read on topic a, b: grant"),
        (errors.GroupAuthorizationFailedError("g"), "Write", "Read on consumer group g: grant"),
        (
            errors.TransactionalIdAuthorizationFailedError(),
            "Write",
            "Write on transactional id (not named)",
        ),
        (errors.KafkaError("[Error 31] ClusterAuthorizationFailedError"), "Write", "grant Write"),
    ],
)
def test_a_denial_says_what_to_grant(error: Exception, operation: Any, words: str) -> None:
    found = translate(error, operation)
    assert isinstance(found, AccessDenied)
    assert words in str(found)


def test_what_a_producer_refuses_because_of_an_earlier_error_is_that_error() -> None:
    def refusing(earlier: Exception) -> Exception:
        return errors.KafkaError("Cannot perform send because of an earlier error.", earlier)

    assert isinstance(translate(refusing(errors.MessageSizeTooLargeError())), MessageTooLarge)
    assert isinstance(translate(refusing(errors.IllegalGenerationError())), MembershipLost)
    assert isinstance(
        translate(refusing(refusing(errors.MessageSizeTooLargeError()))), MessageTooLarge
    )
    assert isinstance(translate(errors.KafkaError("away")), BusUnavailable)
