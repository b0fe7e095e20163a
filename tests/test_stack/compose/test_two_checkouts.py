"""Two checkouts beside each other on one engine: neither takes what is the other's for its own."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stack import clean, metrics_tokens
from stack.backend import StackError
from stack.compose import ComposeBackend
from stack.ports import OFFSET
from tests.not_empty import not_empty
from tests.test_stack.compose import images
from tests.test_stack.compose.conftest import inspect_services
from tests.test_stack.compose.packages import run
from tests.test_stack.free_offsets import free_offset

NEEDED = {"app", "postgres", "simulator"}
LEFT_OUT = ("alertmanager", "grafana", "history", "node-exporter", "prometheus")
DEAD_PROXY = "http://127.0.0.1:9"


def _stack(checkout: Path, variables: dict[str, str]) -> ComposeBackend:
    return ComposeBackend(checkout, checkout / ".state", variables, LEFT_OUT)


def _volumes(project: str) -> list[str]:
    label = f"--filter=label=com.docker.compose.project={project}"
    return run(["docker", "volume", "ls", "--quiet", label]).split()


@pytest.fixture
def two(
    available: images.Images, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, Path]]:
    """Two checkouts of one name; what they have kept is deleted in the end."""
    monkeypatch.delenv("COMPOSE_PROJECT_NAME")
    ignored = shutil.ignore_patterns(".state")
    copies = tmp_path / "one" / "sms", tmp_path / "two" / "sms"
    for copy in copies:
        shutil.copytree(checkout, copy, ignore=ignored)
    yield copies
    for checkout_left in tmp_path.glob("*/sms"):
        clean.clean(checkout_left, sure=True)


def test_side_by_side(
    two: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    offset, other_offset = free_offset(), free_offset()
    first = _stack(two[0], {OFFSET: str(offset)})
    first.up()
    (tmp_path / "moved").mkdir()
    # By now the images' layers are known, and nothing has to be fetched.
    _use_a_dead_proxy(tmp_path / "docker", monkeypatch)
    second = _stack(two[1], {OFFSET: str(other_offset)})
    second.up()
    assert first.project != second.project
    assert first.project.startswith("sms-")
    before = inspect_services(second.project)
    for name, container in not_empty(before.items()):
        assert f"HTTP_PROXY={DEAD_PROXY}" in container["Config"]["Env"], name
    assert set(before) == set(inspect_services(first.project)) == NEEDED

    # Without the offset: a running stack stays where it is.
    again = _stack(two[1], {})
    again.up()
    after = inspect_services(second.project)
    assert {n: c["Id"] for n, c in after.items()} == {n: c["Id"] for n, c in before.items()}
    urls = {status.name: status.url for status in again.status()}
    app = f"http://127.0.0.1:{8000 + other_offset}"
    assert urls["app"] == app
    sms = {
        "tenant_id": "tenant-1",
        "phone_number": "+61400000000",
        "content": "I can pay 200 a week for 8 weeks",
        "conversation_id": "side-by-side",
    }
    token = metrics_tokens.of(two[1] / ".state/secrets", "people").read_text()
    bearer = {"Authorization": f"Bearer {token}"}
    sent = httpx.post(f"{app}/orchestrate/sms-received", json=sms, headers=bearer, timeout=60)
    assert sent.raise_for_status().json()["status"] not in ("failed", "received")

    with monkeypatch.context() as another_name:
        another_name.setenv("COMPOSE_PROJECT_NAME", second.project)
        for command in (_stack(two[0], {}).up, _stack(two[0], {}).down):
            with pytest.raises(StackError, match=rf"belongs to the checkout {two[1]}"):
                command()

    volumes = _volumes(second.project)
    assert volumes
    capfd.readouterr()
    with monkeypatch.context() as another_name:
        # It deletes what it has started, whatever name is asked for now.
        another_name.setenv("COMPOSE_PROJECT_NAME", second.project)
        assert clean.clean(two[0], sure=True) == 0
    said = capfd.readouterr().out
    assert f"Docker volume {first.project}_postgres-data" in said
    assert second.project not in said
    assert inspect_services(first.project) == {}
    assert _volumes(first.project) == []
    assert _volumes(second.project) == volumes
    status = httpx.get(
        f"{app}/orchestrate/workflow/side-by-side/status", headers=bearer, timeout=60
    )
    assert status.status_code == 200, status.text

    moved = two[1].rename(tmp_path / "moved" / "sms")
    for _ in range(2):
        _stack(moved, {}).up()
        assert set(inspect_services(second.project)) == NEEDED
    status = httpx.get(
        f"{app}/orchestrate/workflow/side-by-side/status", headers=bearer, timeout=60
    )
    assert status.status_code == 200, "a moved checkout keeps its ports and its data"

    _down_stops_what_a_profile_started(_stack(moved, {}), moved)


def _use_a_dead_proxy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the docker client give a proxy that isn't there to every container."""
    earlier = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    folder.mkdir()
    if (earlier / "cli-plugins").is_dir():
        (folder / "cli-plugins").symlink_to(earlier / "cli-plugins")
    proxies = {"default": {"httpProxy": DEAD_PROXY, "httpsProxy": DEAD_PROXY}}
    (folder / "config.json").write_text(json.dumps({"proxies": proxies}))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))


def _down_stops_what_a_profile_started(stack: ComposeBackend, checkout: Path) -> None:
    # Loki has no stand-in; whether it runs well is not the question here.
    file, name = str(checkout / "docker-compose.yml"), f"--project-name={stack.project}"
    compose = ["docker", "compose", name, "--file", file, "--profile", "logs"]
    image = run([*compose, "config", "--images", "loki"]).split()[0]
    pulled = bool(run(["docker", "image", "ls", "--quiet", image]))
    if not pulled:
        run(["docker", "tag", f"{stack.project}:local", image])
    try:
        run([*compose, "create", "--no-build", "--pull=never", "loki"])
        assert "loki" in {status.name for status in stack.status()}
        stack.down()
        assert inspect_services(stack.project) == {}
    finally:
        if not pulled:
            run(["docker", "image", "rm", image])
