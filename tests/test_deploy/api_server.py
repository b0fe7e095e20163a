"""A real API server of Kubernetes on a real etcd: everything that checks what is applied.

Nothing acts on it: there is no controller, no scheduler and no kubelet.
"""

import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.free_port import free_port
from tests.programs import answers, running

_TOKEN = "of-the-administrator"


@dataclass(frozen=True)
class Cluster:
    """kubectl for an API server."""

    program: Path
    server: str
    folder: Path

    @property
    def kubeconfig(self) -> Path:
        """What a program reads that asks the server as we do."""
        file = self.folder / "kubeconfig"
        cluster = {"server": self.server, "insecure-skip-tls-verify": True}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": "administrator", "user": {"token": _TOKEN}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "administrator"}}],
            "current-context": "here",
        }
        file.write_text(json.dumps(document))
        return file

    def kubectl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it, whatever comes of it."""
        return subprocess.run(
            [
                *(self.program, f"--server={self.server}", f"--token={_TOKEN}"),
                *("--insecure-skip-tls-verify", f"--cache-dir={self.folder / 'cache'}"),
                *arguments,
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    def done(self, *arguments: str) -> str:
        """What it prints; AssertionError with what it says if it refuses."""
        found = self.kubectl(*arguments)
        assert found.returncode == 0, f"{arguments}: {found.stderr[-3000:]}"
        return found.stdout


@asynccontextmanager
async def api_server(located: Callable[[str], Path], folder: Path) -> AsyncIterator[Cluster]:
    """Run one for as long as a test takes."""
    log = folder / "log"
    client, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    url = f"https://127.0.0.1:{(port := free_port())}"
    tokens = folder / "tokens.csv"
    tokens.write_text(f"{_TOKEN},administrator,administrator,system:masters\n")
    key = _key(folder)
    etcd = [
        *(str(located("etcd")), f"--data-dir={folder / 'etcd'}"),
        *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
        *(f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}"),
        f"--initial-cluster=default={peers}",
    ]
    server = [
        *(str(located("kube-apiserver")), f"--etcd-servers={client}", f"--cert-dir={folder}"),
        *("--bind-address=127.0.0.1", f"--secure-port={port}"),
        *(f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"),
        *("--service-account-issuer=https://issuer.example", f"--token-auth-file={tokens}"),
        *("--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24"),
        # Nobody makes the accounts that pods have by default.
        "--disable-admission-plugins=ServiceAccount",
    ]
    # Its certificate is its own, made at the start.
    async with (
        running(etcd, folder, log),
        running(server, folder, log) as process,
        httpx.AsyncClient(base_url=url, verify=False) as asked,
    ):
        await answers(process, asked, "/readyz", log)
        yield Cluster(located("kubectl"), url, folder)


def _key(folder: Path) -> Path:
    """A key by which the server would sign the tokens of accounts."""
    file = folder / "key.pem"
    subprocess.run(
        ["openssl", "genrsa", "-out", str(file), "2048"], check=True, capture_output=True
    )
    return file
