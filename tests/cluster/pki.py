"""Certificates and kubeconfigs of a control plane."""

from dataclasses import dataclass
from pathlib import Path

import trustme
import yaml


@dataclass(frozen=True)
class Pair:
    """A certificate with its key, as files."""

    certificate: Path
    key: Path


class Pki:
    """One authority signs for everybody."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self._authority = trustme.CA()
        self.ca = folder / "ca.crt"
        self._authority.cert_pem.write_to_path(self.ca)

    def issue(self, name: str, *hosts: str, group: str | None = None) -> Pair:
        """For a server on `hosts`, or for the client `name` of a group."""
        file = self._folder / name.replace(":", "_")
        pair = Pair(file.with_suffix(".crt"), file.with_suffix(".key"))
        leaf = self._authority.issue_cert(
            *(hosts or ("localhost",)),
            common_name=name,
            organization_name=group,
        )
        leaf.cert_chain_pems[0].write_to_path(pair.certificate)
        leaf.private_key_pem.write_to_path(pair.key)
        return pair

    def kubeconfig(self, server: str, name: str, *, group: str | None = None) -> Path:
        """For a client with a certificate."""
        pair = self.issue(name, group=group)
        user = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
        return self._write(server, name, user)

    def token_kubeconfig(self, server: str, name: str, token: str) -> Path:
        """For a service account."""
        return self._write(server, name, {"token": token})

    def _write(self, server: str, name: str, user: dict[str, str]) -> Path:
        path = self._folder / f"{name.replace(':', '_')}.kubeconfig"
        cluster = {"server": server, "certificate-authority": str(self.ca)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": "me", "user": user}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "current-context": "here",
        }
        path.write_text(yaml.safe_dump(config))
        return path
