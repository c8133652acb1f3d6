"""A password's file is read for each login, not once."""

from pathlib import Path

import pytest
from kafka.net.sasl import get_sasl_mechanism

from workers.runtime.bus.kafka.client import client_options
from workers.runtime.settings.process import KafkaSettings


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_rotated_password_is_used_by_the_next_connection(mechanism: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first-one\n")
    security = {"protocol": "SASL_SSL", "mechanism": mechanism, "username": "worker"}
    options = client_options(
        KafkaSettings.model_validate({"security": security | {"password_file": file}}), "camera"
    )

    def used() -> str:
        made = get_sasl_mechanism(mechanism)(host="broker", **options)
        password = made.password if mechanism == "PLAIN" else made._scram_client.password
        return password.decode() if isinstance(password, bytes) else str(password)

    assert used() == "first-one"
    file.write_text("second-one\n")
    assert used() == "second-one"
    file.unlink()  # for a moment, while it is replaced
    assert used() == "first-one"
    file.write_text("third-one\n")
    assert used() == "third-one"
