"""A Kubernetes control plane as plain processes on this machine: no kubelet, no containers.

`ApiServer` (etcd, kube-apiserver) validates and stores. `start_controllers` (controller manager,
scheduler, kwok) makes pods of it, on simulated nodes where every pod is Ready at once.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cluster.build import KEDA, KWOK, Built
from cluster.client import Client, Refused, condition
from cluster.pki import Pki

from workers.runtime.servers.process import HOST, ServerFailed, ServerProcess, free_ports

CUSTOM_RESOURCES = Path(__file__).parent / "custom-resources"
NODES = Path(__file__).with_name("nodes.yaml")  # and what else an operator of a cluster provides
_READY_S = 60.0


class Programs:
    """Processes that end together; what they log stays in the folder."""

    def __init__(self, built: Built, folder: Path) -> None:
        self._built, self._folder = built, folder
        self._running = ExitStack()

    def start(self, name: str, *flags: str, **environment: str) -> ServerProcess:
        """Start a program of the cache."""
        command = ["env", *(f"{k}={v}" for k, v in environment.items()), self._built[name], *flags]
        process = ServerProcess(command, self._folder / f"{name}.log")
        self._running.callback(process.kill)  # they would take seconds, and their data goes too
        return process

    def wait(self, process: ServerProcess, condition: Callable[[], object]) -> None:
        """Until a process is ready. Raises ServerFailed with the end of its log."""
        deadline = time.monotonic() + _READY_S
        while process.running and time.monotonic() < deadline:
            with suppress(Refused):
                if condition():
                    return
            time.sleep(0.1)
        raise ServerFailed(process.log_tail())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.close()


class ApiServer:
    """etcd and kube-apiserver, with KEDA's and the Prometheus operator's custom resources."""

    def __init__(self, programs: Programs, built: Built, folder: Path) -> None:
        self.pki = Pki(folder / "pki")
        etcd, peers, port = free_ports(3)
        self.url = f"https://{HOST}:{port}"
        programs.start(
            "etcd",
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls=http://{HOST}:{etcd}",
            f"--advertise-client-urls=http://{HOST}:{etcd}",
            f"--listen-peer-urls=http://{HOST}:{peers}",
            f"--initial-advertise-peer-urls=http://{HOST}:{peers}",
            f"--initial-cluster=default=http://{HOST}:{peers}",
            "--unsafe-no-fsync=true",
        )
        self.service_accounts = self.pki.issue("service-accounts")
        process = programs.start("kube-apiserver", *self._flags(etcd, port))
        kubeconfig = self.pki.kubeconfig(self.url, "admin", group="system:masters")
        self.admin = Client(built, kubeconfig)
        programs.wait(process, lambda: self.admin.kubectl("get", "--raw=/readyz"))
        crds = built.manifests(KEDA) / "config/crd/bases"
        for definitions in (crds, CUSTOM_RESOURCES):
            self.admin.kubectl("apply", "--server-side", "-f", str(definitions))
        programs.wait(process, lambda: all_are(self.admin.get("crd"), "Established"))
        self.admin.kubectl("create", "-f", str(NODES))

    def _flags(self, etcd: int, port: int) -> list[str]:
        server = self.pki.issue("kube-apiserver", HOST, "localhost")
        proxy = self.pki.issue("front-proxy-client")
        accounts = self.service_accounts
        return [
            f"--etcd-servers=http://{HOST}:{etcd}",
            f"--secure-port={port}",
            f"--bind-address={HOST}",
            f"--advertise-address={HOST}",
            "--endpoint-reconciler-type=none",
            "--authorization-mode=Node,RBAC",
            f"--client-ca-file={self.pki.ca}",
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={accounts.certificate}",
            f"--service-account-signing-key-file={accounts.key}",
            f"--requestheader-client-ca-file={self.pki.ca}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={proxy.certificate}",
            f"--proxy-client-key-file={proxy.key}",
        ]


def start_controllers(programs: Programs, api: ApiServer, built: Built, folder: Path) -> None:
    """Controller manager, scheduler and kwok; returns when the nodes are Ready."""
    manager, scheduler, kwok = free_ports(3)

    def kubeconfig(name: str, group: str | None = None) -> Path:
        return api.pki.kubeconfig(api.url, name, group=group)

    programs.start(
        "kube-controller-manager",
        f"--kubeconfig={kubeconfig('system:kube-controller-manager')}",
        f"--root-ca-file={api.pki.ca}",
        f"--service-account-private-key-file={api.service_accounts.key}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        f"--bind-address={HOST}",
        f"--secure-port={manager}",
        "--horizontal-pod-autoscaler-sync-period=2s",  # 15 s by default: the tests would be slower
    )
    programs.start(
        "kube-scheduler",
        f"--kubeconfig={kubeconfig('system:kube-scheduler')}",
        "--leader-elect=false",
        f"--bind-address={HOST}",
        f"--secure-port={scheduler}",
    )
    stages = folder / "stages.yaml"
    simulated = built.manifests(KWOK) / "kustomize/stage"
    files = [
        each for each in sorted(simulated.rglob("*.yaml")) if "kind: Stage" in each.read_text()
    ]
    stages.write_text("\n---\n".join(file.read_text() for file in files))
    process = programs.start(
        "kwok",
        f"--kubeconfig={kubeconfig('kwok', 'system:masters')}",
        "--manage-all-nodes",
        "--node-lease-duration-seconds=40",  # without leases the nodes are lost after some 50 s
        f"--config={stages}",
        f"--server-address={HOST}:{kwok}",
    )
    api.admin.kubectl("apply", "-f", str(simulated / "volume/fast/storage-class.yaml"))
    programs.wait(process, lambda: all_are(api.admin.get("nodes"), "Ready"))


def all_are(things: list[dict[str, Any]], kind: str) -> bool:
    """Whether there are any, and this condition of each is True."""
    return bool(things) and all(condition(each, kind) == "True" for each in things)
