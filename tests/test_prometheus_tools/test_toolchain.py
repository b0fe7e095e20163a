"""Each route to a tool, with real binaries: PATH, the release archive, the packages."""

import hashlib
import http.server
import os
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from prometheus_tools import toolchain
from prometheus_tools.toolchain import (
    FLOOR,
    TOOLS,
    Tool,
    ToolMissing,
    archive,
    locate,
    locate_floor,
    packages,
    path,
)
from prometheus_tools.toolchain.tool import NotAvailableError, tool_at

SOURCES = """\
Types: deb deb-src
URIs: {}
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No tool is known, none is on PATH, the project's folder is empty."""
    monkeypatch.setattr(path, "find", lambda spec: None)
    monkeypatch.setenv("STACK_TOOLS_DIR", str(tmp_path / "tools"))
    toolchain._locate.cache_clear()
    yield
    toolchain._locate.cache_clear()


@pytest.fixture(scope="module")
def real() -> dict[str, Tool]:
    """The tools that this machine uses."""
    return {name: locate(name) for name in TOOLS}


def script(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(0o755)
    return file


class TestPath:
    @pytest.fixture(autouse=True)
    def _use_path(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.undo()
        monkeypatch.setenv("PATH", f"{tmp_path}/bin")
        monkeypatch.setenv("STACK_TOOLS_DIR", str(tmp_path / "tools"))

    def test_new_enough_is_taken(self, tmp_path: Path) -> None:
        binary = script(tmp_path / "bin", "prometheus", "prometheus, version 2.53.0 (branch: x)")
        assert locate("prometheus") == Tool("prometheus", binary, "2.53.0", "PATH")

    def test_the_floor_has_to_be_that_very_version(self, tmp_path: Path) -> None:
        binary = script(tmp_path / "bin", "prometheus", "prometheus, version 3.5.0")
        assert path.find(FLOOR["prometheus"]) is None
        script(tmp_path / "bin", "prometheus", "prometheus, version 2.53.9")
        assert locate_floor("prometheus") == Tool("prometheus", binary, "2.53.9", "PATH")

    def test_debian_calls_it_otherwise(self, tmp_path: Path) -> None:
        binary = script(tmp_path / "bin", "prometheus-alertmanager", "version 0.28.1")
        assert locate("alertmanager").path == binary

    def test_too_old_is_passed_over_and_said(self, tmp_path: Path) -> None:
        script(tmp_path / "bin", "prometheus", "prometheus, version 2.42.0")
        assert path.find(TOOLS["prometheus"]) is None
        assert path.absence(TOOLS["prometheus"]).endswith("/bin/prometheus is 2.42.0")

    def test_broken_is_passed_over(self, tmp_path: Path) -> None:
        script(tmp_path / "bin", "amtool", "no idea")
        assert path.find(TOOLS["amtool"]) is None
        assert "does not tell its version" in path.absence(TOOLS["amtool"])

    def test_nothing_anywhere_says_what_was_tried(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        # Nobody listens on this port, and there is no apt on the PATH.
        monkeypatch.setenv("STACK_RELEASES_URL", "http://127.0.0.1:1")
        with pytest.raises(ToolMissing) as missing:
            locate("promtool")
        said = str(missing.value)
        assert "promtool 2.53 or newer is needed" in said
        assert "PATH: no promtool" in said
        assert "can't be reached" in said
        assert "no Debian-family machine" in said
        with pytest.raises(ToolMissing, match=r"promtool 2\.53 is needed"):
            locate_floor("promtool")


class Releases:
    """A server with the layout of the official releases."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        self.url = url
        self.requests: list[str] = []

    def publish(self, name: str, binaries: list[Tool], checksum: str | None = None) -> Path:
        """Publish the archive that holds ``binaries``, as the tool ``name`` expects it."""
        spec = TOOLS[name]
        title = archive._title(spec)
        folder = self.root / spec.project / "releases" / "download" / f"v{spec.release}"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{title}.tar.gz"
        with tarfile.open(file, "w:gz", compresslevel=1) as content:
            for tool in binaries:
                content.add(tool.path.resolve(), f"{title}/{tool.name}")
        checksum = checksum or hashlib.sha256(file.read_bytes()).hexdigest()
        (folder / "sha256sums.txt").write_text(
            f"{'0' * 64}  other.tar.gz\n{checksum}  {file.name}\n"
        )
        return file


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Releases]:
    root = tmp_path / "releases"
    root.mkdir()
    served: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(root))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            served.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("STACK_RELEASES_URL", url)
        found = Releases(root, url)
        found.requests = served
        yield found
        server.shutdown()


def test_the_release_archive_is_taken_and_kept(
    releases: Releases, real: dict[str, Tool], tmp_path: Path
) -> None:
    lines: list[str] = []
    releases.publish("promtool", [real["prometheus"], real["promtool"]])
    tool = locate("promtool", lines.append)
    assert tool.source.startswith("the release archive prometheus-")
    assert tool.path.is_relative_to(tmp_path / "tools")
    assert tool.version == real["promtool"].version
    assert len(lines) == 1
    asked = len(releases.requests)
    # Prometheus came with it, and the next process finds both.
    toolchain._locate.cache_clear()
    assert locate("prometheus").source == tool.source
    assert len(releases.requests) == asked


def test_a_wrong_checksum_is_refused_and_nothing_is_installed(
    releases: Releases, real: dict[str, Tool], tmp_path: Path
) -> None:
    releases.publish("promtool", [real["promtool"]], checksum="f" * 64)
    with pytest.raises(ToolMissing, match="is not what was published"):
        locate("promtool", lambda _: None)
    assert list((tmp_path / "tools").glob("prometheus*")) == []


def test_an_archive_writes_nothing_outside_its_folder(tmp_path: Path) -> None:
    harmless = script(tmp_path, "harmless", "")
    file = tmp_path / "archive.tar.gz"
    with tarfile.open(file, "w:gz") as content:
        for name in ("../outside", str(tmp_path / "absolute"), "prometheus-3/promtool"):
            content.add(harmless, name)
    (inside := tmp_path / "inside").mkdir()
    archive._unpack(file, inside)
    assert os.access(inside / "prometheus-3" / "promtool", os.X_OK)
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "absolute").exists()


def test_an_archive_that_is_not_there_is_said(releases: Releases, tmp_path: Path) -> None:
    with pytest.raises(NotAvailableError, match="answers 404"):
        archive.install(TOOLS["amtool"], _made(tmp_path), lambda _: None)


def test_an_archive_that_is_not_in_the_checksums_is_said(
    releases: Releases, real: dict[str, Tool], tmp_path: Path
) -> None:
    sums = releases.publish("amtool", [real["amtool"]]).parent / "sha256sums.txt"
    sums.write_text("")
    with pytest.raises(NotAvailableError, match="does not name"):
        archive.install(TOOLS["amtool"], _made(tmp_path), lambda _: None)


def test_an_archive_without_the_tool_is_said(
    releases: Releases, real: dict[str, Tool], tmp_path: Path
) -> None:
    releases.publish("amtool", [real["promtool"]])
    with pytest.raises(NotAvailableError, match="holds no amtool"):
        archive.install(TOOLS["amtool"], _made(tmp_path), lambda _: None)


@pytest.mark.skipif(not shutil.which("apt-get"), reason="the packages route needs apt")
def test_the_packages_are_unpacked_and_the_system_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STACK_RELEASES_URL", "http://127.0.0.1:1")
    before = _installed_packages()
    lines: list[str] = []
    tool = locate("amtool", lines.append)
    assert "package" in tool.source
    assert tool.path.is_relative_to(tmp_path / "tools")
    assert tool_at(TOOLS["amtool"], tool.path, "") is not None
    assert lines
    # The same package holds Alertmanager, which must not need /usr/share.
    server = locate("alertmanager")
    templates = packages.default_templates(server)
    assert templates is not None
    assert (templates / "default.tmpl").exists()
    assert b"/usr/share/prometheus/alertmanager" not in server.path.read_bytes()
    assert _installed_packages() == before


def test_a_machine_without_apt_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotAvailableError, match="no Debian-family machine"):
        packages.install(TOOLS["amtool"], _made(tmp_path), lambda _: None)


@pytest.mark.skipif(not shutil.which("apt-get"), reason="the packages route needs apt")
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("sources.list", "# old\ndeb [arch=amd64] {} bookworm main\n"),
        ("sources.list", "deb {}/ bookworm main contrib\n"),
        ("sources.list.d/debian.sources", SOURCES),
        # Docker's archive has no section main.
        ("sources.list.d/aaa.list", "deb {}/linux bookworm stable\ndeb {} bookworm main\n"),
    ],
)
@pytest.mark.parametrize("mirror", ["http://mirror.example/debian", "mirror+file:/etc/mirrors"])
def test_the_mirror_is_the_machine_s_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, text: str, mirror: str
) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / file).write_text(text.replace("{}", mirror))
    configuration = tmp_path / "apt.conf"
    configuration.write_text(f'Dir::Etc "{tmp_path}";\n')
    monkeypatch.setenv("APT_CONFIG", str(configuration))
    assert packages._mirrors() == [mirror]


def _installed_packages() -> bytes:
    return Path("/var/lib/dpkg/status").read_bytes()


def _made(folder: Path) -> Path:
    tools = folder / "tools"
    os.makedirs(tools, exist_ok=True)
    return tools
