"""Stand-ins for official images, made from Debian's packages where no registry can be reached.

Each has the official name and tag, the same entrypoint, user ids, volumes and tools as far as
docker-compose.yml relies on them, and a label that says what it is. They are for these tests only.
"""

import json
import ssl
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_tools.toolchain.tool import SUITES
from tests.test_stack.compose.packages import run, unpack

LABEL = "sms-orchestrator.stand-in"

_, TESTING, STABLE = SUITES

USERS = """\
root:x:0:0:root:/root:/bin/sh
postgres:x:999:999::/var/lib/postgresql:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
"""
GROUPS = "root:x:0:\npostgres:x:999:\nnogroup:x:65534:\n"

POSTGRES_ENTRYPOINT = """\
#!/bin/sh
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --encoding=UTF8 \\
        --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D "$PGDATA" postgres
fi
exec "$@" -c listen_addresses='*'
"""


@dataclass(frozen=True)
class Recipe:
    """How to make a stand-in: packages of a suite, and what turns their tree into the image."""

    suite: str
    packages: tuple[str, ...]
    config: tuple[str, ...]
    """Dockerfile instructions."""
    owned: dict[str, int] = field(default_factory=dict)
    """Folders of the image that belong to a user, by user id."""
    links: dict[str, str] = field(default_factory=dict)
    finish: Callable[[Path], None] = lambda root: None


def _busybox(root: Path) -> None:
    for applet in ("sh", "wget"):
        (root / "usr/bin" / applet).symlink_to("busybox")


def _postgres(root: Path) -> None:
    entrypoint = root / "usr/local/bin/docker-entrypoint.sh"
    entrypoint.parent.mkdir(parents=True, exist_ok=True)
    entrypoint.write_text(POSTGRES_ENTRYPOINT)
    entrypoint.chmod(0o755)


def _python(root: Path) -> None:
    """The machine's certificates and package index: the Dockerfile shall name neither."""
    settings = _pip_indexes()
    if trusted := ssl.get_default_verify_paths().cafile:
        settings["cert"] = "/etc/ssl/certs/ca-certificates.crt"
        bundle = root / settings["cert"].lstrip("/")
        bundle.parent.mkdir(parents=True, exist_ok=True)
        bundle.write_bytes(Path(trusted).read_bytes())
    lines = [f"{name} = {value}" for name, value in settings.items()]
    (root / "etc/pip.conf").write_text("\n".join(["[global]", *lines, ""]))


def _pip_indexes() -> dict[str, str]:
    """The machine's package indexes as far as a container can reach them."""
    found: dict[str, str] = {}
    for line in run([sys.executable, "-m", "pip", "config", "list"]).splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        urls = [url for url in value.strip("'").split() if url.startswith("http")]
        if name in ("index-url", "extra-index-url") and urls:
            # The environment's come first, and win.
            found.setdefault(name, " ".join(urls))
    return found


RECIPES = {
    "prom/prometheus": Recipe(
        TESTING,
        ("prometheus", "promtool", "busybox-static"),
        ("USER nobody", "WORKDIR /prometheus", 'ENTRYPOINT ["/bin/prometheus"]'),
        owned={"prometheus": 65534},
        finish=_busybox,
    ),
    "prom/alertmanager": Recipe(
        TESTING,
        ("prometheus-alertmanager", "busybox-static"),
        ("USER nobody", "WORKDIR /alertmanager", 'ENTRYPOINT ["/bin/alertmanager"]'),
        owned={"alertmanager": 65534},
        links={"usr/bin/alertmanager": "prometheus-alertmanager"},
        finish=_busybox,
    ),
    "prom/node-exporter": Recipe(
        TESTING,
        ("prometheus-node-exporter", "busybox-static"),
        ("USER nobody", 'ENTRYPOINT ["/bin/node_exporter"]'),
        links={"usr/bin/node_exporter": "prometheus-node-exporter"},
        finish=_busybox,
    ),
    "postgres": Recipe(
        STABLE,
        ("postgresql-17", "dash"),
        (
            "ENV PATH=/usr/local/bin:/usr/lib/postgresql/17/bin:/usr/bin",
            "ENV PGDATA=/var/lib/postgresql/data",
            "VOLUME /var/lib/postgresql/data",
            'ENTRYPOINT ["docker-entrypoint.sh"]',
            'CMD ["postgres"]',
        ),
        owned={"var/lib/postgresql/data": 999, "var/run/postgresql": 999},
        finish=_postgres,
    ),
    "python": Recipe(
        STABLE,
        # libstdc++6 because the official image has it, through its apt.
        ("python3-venv", "coreutils", "dash", "libstdc++6"),
        ("ENV PATH=/usr/local/bin:/usr/bin", 'CMD ["python3"]'),
        links={
            "usr/local/bin/python": "/usr/bin/python3",
            "usr/local/bin/python3": "/usr/bin/python3",
        },
        finish=_python,
    ),
}


def can_stand_in(image: str) -> bool:
    """Whether there is a recipe for ``image``."""
    return image.partition(":")[0] in RECIPES


def is_stand_in(image: str) -> bool:
    """Whether the engine has a stand-in under this name, such as one left by a killed run."""
    labels = run(["docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image])
    return LABEL in (json.loads(labels) or {})


def build(image: str, workdir: Path) -> None:
    """Make the stand-in for ``image`` in the engine that DOCKER_HOST names."""
    recipe = RECIPES[image.partition(":")[0]]
    root = workdir / image.replace("/", "_").replace(":", "_")
    unpack(recipe.suite, recipe.packages, root, workdir)
    (root / "etc/passwd").write_text(USERS)
    (root / "etc/group").write_text(GROUPS)
    for name, target in recipe.links.items():
        link = root / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    for name in recipe.owned:
        (root / name).mkdir(parents=True, exist_ok=True)
    recipe.finish(root)
    archive = root.with_suffix(".tar")
    _archive(root, recipe.owned, archive)
    changes = [f"LABEL {LABEL}=true", *recipe.config]
    options = [word for change in changes for word in ("--change", change)]
    run(["docker", "import", *options, str(archive), image])


def _archive(root: Path, owned: dict[str, int], archive: Path) -> None:
    def owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = owned.get(member.name.removeprefix("./"), 0)
        member.uname = member.gname = ""
        return member

    with tarfile.open(archive, mode="w") as tar:
        tar.add(root, arcname=".", filter=owner)
