"""Security settings: refused when they cannot work, and never shown."""

from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import CliRunner

from workers.cli import app
from workers.runtime.errors import SettingsError
from workers.runtime.settings.process import ProcessSettings, flatten
from workers.runtime.store.redis import RedisStore

SECURITY = "kafka.security"


def load(**security: Any) -> ProcessSettings:
    given = {f"{SECURITY}.{name.replace('__', '.')}": value for name, value in security.items()}
    return ProcessSettings.load(None, given)


@pytest.mark.parametrize(
    ("security", "words"),
    [
        ({"protocol": "SASL_SSL"}, "needs username, and either password or password_file"),
        ({"protocol": "SASL_SSL", "username": "u"}, "needs username, and either"),
        (
            {"protocol": "SASL_SSL", "username": "u", "password": "hush", "password_file": "f"},
            "needs username, and either",
        ),
        ({"username": "u", "password": "hush"}, "sends no username and password: set SASL_SSL"),
        ({"tls__ca_file": "ca.pem"}, "uses no tls: set SSL"),
        ({"protocol": "SSL", "tls__key_file": "k.pem"}, "belong together"),
        ({"protocol": "SASL_SSL", "password": 1234567}, "valid string"),
        ({"protocol": "TLS"}, "SASL_PLAINTEXT"),
        ({"passwort": "hush"}, "Did you mean password"),
    ],
)
def test_what_cannot_work_is_refused_without_a_secret(security: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**security)
    said = str(caught.value)
    assert words in said
    assert SECURITY in said
    assert "hush" not in said
    assert "1234567" not in said


def test_secrets_from_the_environment_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_INSPECTOR_KAFKA__SECURITY__PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("STREAM_INSPECTOR_KAFKA__SECURITY__USERNAME", "worker")
    monkeypatch.setenv("STREAM_INSPECTOR_KAFKA__SECURITY__PASSWORD", "hush")
    settings = ProcessSettings.load()
    assert settings.kafka.security.client_options()["sasl_plain_password"] == "hush"
    assert dict(flatten(settings))["kafka.security.password"] == "***"
    assert "hush" not in repr(settings)
    shown = CliRunner().invoke(app, ["config", "show", "worker"]).output
    assert "worker" in shown
    assert "hush" not in shown


def test_a_secret_file_that_is_missing_is_named(tmp_path: Path) -> None:
    settings = load(protocol="SASL_SSL", username="u", password_file=str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"kafka\.security\.password_file: .*none cannot be"):
        settings.kafka.security.client_options()


def test_redis_takes_user_and_password_and_refuses_tls_without_rediss(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    given = {"redis.username": "u", "redis.password_file": tmp_path / "secret"}
    store = RedisStore(ProcessSettings.load(None, given).redis)
    options = store._client.connection_pool.connection_kwargs
    login = options["credential_provider"]
    assert login.get_credentials() == ("u", "hush")
    (tmp_path / "secret").write_text("rotated\n")
    assert login.get_credentials() == ("u", "rotated")
    (tmp_path / "secret").unlink()
    with pytest.raises(redis.AuthenticationError, match=r"redis\.password_file"):
        login.get_credentials()
    with pytest.raises(SettingsError, match="must start with rediss://"):
        RedisStore(ProcessSettings.load(None, {"redis.tls.ca_file": "ca.pem"}).redis)
