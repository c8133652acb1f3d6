"""Apache Kafka with every kind of listener at once: TLS, mutual TLS, SASL, and access control."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)

from workers.runtime.bus.kafka.connect import connect_admin
from workers.runtime.servers.apache_kafka import ApacheKafka
from workers.runtime.settings.process import KafkaSettings

ADMIN, WORKER = ("admin", "admin-secret"), ("worker", "worker-secret")
LISTENERS = {
    "SASL_SSL": "SASL_SSL",
    "SSL": "SSL",
    "MTLS": "SSL",
    "SASL_PLAINTEXT": "SASL_PLAINTEXT",
}
_MODULES = "org.apache.kafka.common.security"
_PLAIN = f"{_MODULES}.plain.PlainLoginModule required"
_SCRAM = f"{_MODULES}.scram.ScramLoginModule required"


@dataclass(frozen=True)
class Certificates:
    """PEM files."""

    authority: Path
    server: Path
    client: Path  # of the user `worker`
    client_key: Path


def make_certificates(folder: Path) -> Certificates:
    """An authority, a broker at 127.0.0.1 and a client."""
    authority = trustme.CA()
    found = Certificates(
        folder / "ca.pem", folder / "server.pem", folder / "client.pem", folder / "client.key"
    )
    authority.cert_pem.write_to_path(found.authority)
    server = authority.issue_cert("127.0.0.1")
    chain = b"".join(blob.bytes() for blob in server.cert_chain_pems)
    found.server.write_bytes(_pkcs8(server) + chain)
    client = authority.issue_cert("worker@example.org", common_name="worker")
    found.client.write_bytes(b"".join(blob.bytes() for blob in client.cert_chain_pems))
    found.client_key.write_bytes(_pkcs8(client))
    return found


def _pkcs8(certificate: trustme.LeafCert) -> bytes:
    """The only form of a private key that Kafka reads."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def secure_kafka(certificates: Certificates) -> ApacheKafka:
    """One broker; the user `admin` may do everything, others what they are granted."""
    users = " ".join(f'user_{name}="{password}"' for name, password in (ADMIN, WORKER))
    admin = f'username="{ADMIN[0]}" password="{ADMIN[1]}"'
    properties = {
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": f"{_PLAIN} {admin} {users};",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{_SCRAM} {admin};",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f"{_PLAIN} {users};",
        "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": f"{_SCRAM};",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": f"{_PLAIN} {users};",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.server),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.authority),
        "listener.name.mtls.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN[0]}",
    }
    scram = [f"SCRAM-SHA-512=[name={name},password={pw}]" for name, pw in (ADMIN, WORKER)]
    return ApacheKafka(1, LISTENERS, properties, scram, controllers="SASL_PLAINTEXT")


@dataclass(frozen=True)
class Secure:
    """A running broker, and what its clients need."""

    broker: ApacheKafka
    certificates: Certificates

    def settings(
        self, protocol: str, user: tuple[str, str] | None = None, **security: Any
    ) -> KafkaSettings:
        listener = security.pop("listener", protocol)
        tls = {"ca_file": self.certificates.authority} | security.pop("tls", {})
        given: dict[str, Any] = {"protocol": protocol} | security
        if protocol.endswith("SSL"):
            given["tls"] = tls
        if user:
            given |= {"username": user[0], "password": user[1]}
        return KafkaSettings(
            bootstrap_servers=self.broker.servers(listener),
            connect_timeout_s=3.0,  # a refusal is told when it is over
            transaction_timeout_ms=5000,
            security=given,
        )

    @property
    def admin(self) -> KafkaSettings:
        return self.settings("SASL_SSL", ADMIN)

    @property
    def worker(self) -> KafkaSettings:
        return self.settings("SASL_SSL", WORKER)

    @property
    def flags(self) -> dict[str, object]:
        """Settings of a process of the user `worker`."""
        return {
            "kafka.bootstrap_servers": self.worker.bootstrap_servers,
            "kafka.security.protocol": "SASL_SSL",
            "kafka.security.username": WORKER[0],
            "kafka.security.password": WORKER[1],
            "kafka.security.tls.ca_file": self.certificates.authority,
        }

    @property
    def client_certificate(self) -> dict[str, Path]:
        found = self.certificates
        return {"certificate_file": found.client, "key_file": found.client_key}

    def grant(self, kind: ResourceType, name: str, *operations: ACLOperation) -> None:
        pattern = ResourcePattern(kind, name, ACLResourcePatternType.LITERAL)
        acls = [
            ACL(f"User:{WORKER[0]}", "*", operation, ACLPermissionType.ALLOW, pattern)
            for operation in operations
        ]
        admin = connect_admin(self.admin)
        assert admin.create_acls(acls)["failed"] == []
        admin.close()
