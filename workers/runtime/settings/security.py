"""How clients prove who they are and check who answers: TLS and passwords, for Kafka and Redis.

Secrets come from the environment or from files; they are never shown, logged or put into errors.
"""

import ssl
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from workers.runtime.errors import SettingsError
from workers.runtime.settings.base import FilePassword, Section, read_secret

_SASL, _TLS = ("SASL_PLAINTEXT", "SASL_SSL"), ("SSL", "SASL_SSL")


class TlsSettings(Section):
    """Certificates, as PEM files."""

    ca_file: Path | None = Field(
        default=None, description="authority of the server's certificate; default: the system's"
    )
    certificate_file: Path | None = Field(
        default=None, description="our certificate, for mutual TLS"
    )
    key_file: Path | None = Field(default=None, description="its private key")
    key_password: SecretStr | None = Field(
        default=None, description="of the key; better in the environment or in a file"
    )
    key_password_file: Path | None = Field(default=None, description="holds the key's password")
    check_hostname: bool = Field(
        default=True, description="the server's certificate must be for the name we call it by"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together: set both")
        if self.key_password and self.key_password_file:
            raise ValueError("key_password and key_password_file are both set: leave one")
        return self

    @property
    def given(self) -> bool:
        """Whether anything differs from the defaults."""
        return self != TlsSettings()

    def context(self, path: str) -> ssl.SSLContext:
        """TLS 1.2 or newer. Raises SettingsError naming the setting below `path` and the file."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:  # SSLError is one
            raise SettingsError(f"{path}.ca_file: {self.ca_file}: {_reason(error)}") from None
        context.check_hostname = self.check_hostname
        if self.certificate_file is not None:
            password = read_secret(
                self.key_password, self.key_password_file, f"{path}.key_password"
            )
            try:
                context.load_cert_chain(self.certificate_file, self.key_file, password or "")
            except OSError as error:
                files = f"{self.certificate_file} with {self.key_file}"
                raise SettingsError(
                    f"{path}.certificate_file, .key_file, .key_password: {files}: {_reason(error)}"
                ) from None
        return context


class KafkaSecurity(Section):
    """Who we are to the broker, and how we talk to it."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="as the broker names its listener's protocol"
    )
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        default="SCRAM-SHA-512",
        description="of SASL; PLAIN sends the password itself: with TLS only",
    )
    username: str | None = Field(default=None, description="of SASL")
    password: SecretStr | None = Field(
        default=None, description="better in the environment, or as password_file"
    )
    password_file: Path | None = Field(default=None, description="holds the password")
    tls: TlsSettings = TlsSettings()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        secrets = [s for s in (self.password, self.password_file) if s is not None]
        if self.protocol in _SASL and not (self.username and len(secrets) == 1):
            raise ValueError(
                f"protocol {self.protocol} needs username, and either password or password_file"
            )
        if self.protocol not in _SASL and (self.username or secrets):
            raise ValueError(
                f"protocol {self.protocol} sends no username and password: "
                "set SASL_SSL (or SASL_PLAINTEXT)"
            )
        if self.protocol not in _TLS and self.tls.given:
            raise ValueError(f"protocol {self.protocol} uses no tls: set SSL or SASL_SSL")
        return self

    @property
    def sasl(self) -> bool:
        """Whether we prove who we are with a password."""
        return self.protocol in _SASL

    def client_options(self) -> dict[str, Any]:
        """The options of kafka-python. Raises SettingsError."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        path = "kafka.security"
        if self.protocol in _TLS:
            options["ssl_context"] = self.tls.context(f"{path}.tls")
        if self.sasl:
            name = f"{path}.password"
            password = (
                FilePassword(self.password_file, name)
                if self.password_file
                else read_secret(self.password, None, name)
            )
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": password,
            }
        return options


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
