"""TLS, client certificates, user and password between us and a real Valkey, and what refusals say.

The bundled server is built without TLS, so a proxy does the handshake in front of it.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme

from tests.integration.broker.secure_kafka import Certificates, make_certificates
from tests.integration.models.tls_proxy import tls_proxy
from workers.runtime.errors import AccessDenied, ServerUnreachable, StoreUnavailable
from workers.runtime.servers.embedded import EmbeddedStore
from workers.runtime.settings.process import RedisSettings
from workers.runtime.store.redis import connect_store

pytestmark = pytest.mark.integration

USER, PASSWORD = "worker", "worker-secret"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def plain_port() -> Iterator[int]:
    """Of a server that knows one user and nobody else."""
    with EmbeddedStore() as store:
        admin = redis.Redis(port=store.port)
        rights = ("~*", "+get", "+set", "+ping", "+client")
        admin.execute_command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", *rights)
        admin.execute_command("ACL", "SETUSER", "default", "off")
        yield store.port


@pytest.fixture(scope="module")
def port(plain_port: int, certificates: Certificates) -> Iterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificates.server)
    with tls_proxy(plain_port, context) as port:
        yield port


def settings(port: int, certificates: Certificates, **changes: Any) -> RedisSettings:
    tls = {
        "ca_file": certificates.authority,
        "certificate_file": certificates.client,
        "key_file": certificates.client_key,
    } | changes.pop("tls", {})
    given = {"url": f"rediss://127.0.0.1:{port}/0", "username": USER, "password": PASSWORD}
    return RedisSettings.model_validate(
        given | {"timeout_s": 5, "connect_timeout_s": 5, "tls": tls} | changes
    )


def test_a_user_with_a_certificate_and_a_password_is_let_in(
    port: int, certificates: Certificates, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    from_file = {"password": None, "password_file": tmp_path / "password"}
    connect_store(settings(port, certificates)).put("key", b"value")
    assert connect_store(settings(port, certificates, **from_file)).get("key") == b"value"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "wrong-one"}, ["redis.username worker", "redis.password"]),
        ({"username": None, "password": None}, ["redis.username", "redis.password"]),
        ({"tls": {"ca_file": "other"}}, ["not trusted", "redis.tls.ca_file"]),
    ],
)
def test_a_refusal_says_what_to_look_at(
    port: int,
    certificates: Certificates,
    tmp_path: Path,
    changes: dict[str, Any],
    words: list[str],
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    if changes.get("tls", {}).get("ca_file"):
        changes = {"tls": {"ca_file": other}}
    with pytest.raises(AccessDenied) as caught:
        connect_store(settings(port, certificates, **changes))
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "wrong-one" not in str(caught.value)


def test_a_certificate_that_is_asked_for_is_named(port: int, certificates: Certificates) -> None:
    without = {"certificate_file": None, "key_file": None}
    with pytest.raises(ServerUnreachable, match=r"redis\.tls\.certificate_file if it asks"):
        connect_store(settings(port, certificates, tls=without, connect_timeout_s=0.5))


def test_a_right_that_is_missing_is_named(port: int, certificates: Certificates) -> None:
    store = connect_store(settings(port, certificates))
    with pytest.raises(StoreUnavailable, match=r"NoPermission.*'del'"):
        store.delete("key")
