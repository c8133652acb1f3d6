"""KEDA's operator, metrics adapter and admission webhooks as plain processes.

They run with KEDA's own service account and roles. There is no cluster network here: the API server
finds the adapter through an ExternalName service, and the webhooks by address.
"""

import base64
import shutil
from pathlib import Path
from typing import Any

import yaml
from cluster.build import KEDA, Built
from cluster.control_plane import ApiServer, Programs

from workers.runtime.servers.process import HOST, free_ports

_METRICS = "v1beta1.external.metrics.k8s.io"
_SERVICE = "keda-metrics-apiserver"
_NAMESPACE = "keda"


def start_keda(programs: Programs, api: ApiServer, built: Built, folder: Path) -> None:
    """Returns when external metrics can be had and ScaledObjects are admitted."""
    ports = iter(free_ports(9))
    config = built.manifests(KEDA) / "config"
    names = [HOST, "localhost", f"{_SERVICE}.{_NAMESPACE}.svc"]
    certificates = _certificates(api, folder / "keda-certificates", names)
    for manifest in ("general", "service_account", "rbac", "metrics-server"):
        api.admin.kubectl("apply", "--server-side", "-f", str(config / manifest))
    account = "keda-operator"
    token = api.admin.kubectl("create", "token", account, f"--namespace={_NAMESPACE}").strip()
    kubeconfig = str(api.pki.token_kubeconfig(api.url, account, token))
    environment = {
        "KUBECONFIG": kubeconfig,
        "POD_NAMESPACE": _NAMESPACE,
        "WATCH_NAMESPACE": "",
        "KEDA_CLUSTER_OBJECT_NAMESPACE": _NAMESPACE,
    }
    metrics_service, adapter, webhooks = next(ports), next(ports), next(ports)
    programs.start(
        "keda-operator",
        f"--cert-dir={certificates}",
        f"--metrics-service-bind-address={HOST}:{metrics_service}",
        f"--metrics-bind-address={HOST}:{next(ports)}",
        f"--health-probe-bind-address={HOST}:{next(ports)}",
        **environment,
    )
    process = programs.start(
        "keda-adapter",
        f"--cert-dir={certificates}",
        f"--bind-address={HOST}",
        f"--secure-port={adapter}",
        f"--port={next(ports)}",
        f"--client-ca-file={api.pki.ca}",
        f"--tls-cert-file={certificates / 'tls.crt'}",
        f"--tls-private-key-file={certificates / 'tls.key'}",
        f"--metrics-service-address={HOST}:{metrics_service}",
        f"--lister-kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        **environment,
    )
    programs.start(
        "keda-webhooks",
        f"--cert-dir={certificates}",
        f"--port={webhooks}",
        f"--metrics-bind-address={HOST}:{next(ports)}",
        f"--health-probe-bind-address={HOST}:{next(ports)}",
        **environment,
    )
    authority = base64.b64encode(api.pki.ca.read_bytes()).decode()
    api.admin.apply(*_external_metrics(adapter, authority), _admission(config, webhooks, authority))
    available = f"apiservice/{_METRICS}"
    programs.wait(
        process,
        lambda: api.admin.kubectl("wait", "--for=condition=Available", available, "--timeout=1s"),
    )


def _certificates(api: ApiServer, folder: Path, names: list[str]) -> Path:
    """The folder that all three read: one certificate, as server and as client."""
    folder.mkdir()
    pair = api.pki.issue("keda", *names)
    for source, name in (
        (pair.certificate, "tls.crt"),
        (pair.key, "tls.key"),
        (api.pki.ca, "ca.crt"),
    ):
        shutil.copy(source, folder / name)
    return folder


def _external_metrics(port: int, authority: str) -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _SERVICE, "namespace": _NAMESPACE},
            "spec": {
                "type": "ExternalName",
                "externalName": "localhost",
                "ports": [{"name": "https", "port": port}],
            },
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": _METRICS},
            "spec": {
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": authority,
                "service": {"name": _SERVICE, "namespace": _NAMESPACE, "port": port},
            },
        },
    ]


def _admission(config: Path, port: int, authority: str) -> dict[str, Any]:
    """KEDA's own webhooks, by address, and fatal when they cannot be reached."""
    manifest = yaml.safe_load((config / "webhooks" / "validation_webhooks.yaml").read_text())
    for webhook in manifest["webhooks"]:
        path = webhook["clientConfig"]["service"]["path"]
        webhook["clientConfig"] = {"url": f"https://{HOST}:{port}{path}", "caBundle": authority}
        webhook["failurePolicy"] = "Fail"
    return manifest
