"""Client errors branch by what the caller can do; nothing of the client leaks out."""

import pytest
from kafka import errors

from workers.runtime.bus.kafka_errors import translate
from workers.runtime.errors import (
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
        (errors.TopicAuthorizationFailedError(), Fatal),
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
