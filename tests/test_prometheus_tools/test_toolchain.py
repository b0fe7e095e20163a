"""Each route to a tool, with real binaries: PATH, the release archive, the packages."""

import hashlib
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from prometheus_tools import toolchain
from prometheus_tools.toolchain import (
    FLOOR,
    TOOLS,
    Tool,
    ToolMissing,
    archive,
    go_modules,
    locate,
    locate_floor,
    locate_lts,
    packages,
    path,
    versions,
)
from prometheus_tools.toolchain.tool import (
    KUBERNETES,
    LTS,
    OPTIONAL,
    NotAvailableError,
    tool_at,
)
from tests.length import only_long
from tests.release_server import Releases, script, served

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
    for cached in (toolchain._locate, archive._connection_problem):
        cached.cache_clear()
    yield
    toolchain._locate.cache_clear()


@pytest.fixture(scope="module")
def real() -> dict[str, Tool]:
    """The tools that this machine uses."""
    return {name: locate(name) for name in TOOLS}


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

    def test_grafana_is_its_packages_own_and_not_the_wrapper_on_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = str(tmp_path / "share")
        spec = replace(OPTIONAL["grafana"], before_path=(folder,))
        wrapper = script(tmp_path / "bin", "grafana", "grafana version 13.2.3")
        assert path.find(spec) == Tool("grafana", wrapper, "13.2.3", "PATH")
        binary = script(tmp_path / "share", "grafana", "grafana version 12.0.1")
        assert path.find(spec) == Tool("grafana", binary, "12.0.1", folder)

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
        assert "not a Debian-family machine" in said
        with pytest.raises(ToolMissing, match=r"promtool 2\.53 is needed"):
            locate_floor("promtool")


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Releases]:
    root = tmp_path / "releases"
    root.mkdir()
    with served(root) as found:
        monkeypatch.setenv("STACK_RELEASES_URL", found.url)
        monkeypatch.setenv("STACK_GRAFANA_URL", found.url)
        # What is published here is not what the project keeps the checksums of.
        (tmp_path / "kept").touch()
        monkeypatch.setattr(versions, "CHECKSUMS", tmp_path / "kept")
        yield found


def test_the_release_archive_is_taken_and_kept(
    releases: Releases, real: dict[str, Tool], tmp_path: Path
) -> None:
    lines: list[str] = []
    releases.publish("promtool", {name: real[name].path for name in ("prometheus", "promtool")})
    tool = locate("promtool", lines.append)
    assert tool.source.startswith("the release archive prometheus-")
    assert tool.path.is_relative_to(tmp_path / "tools")
    assert tool.version == real["promtool"].version
    assert [" ".join(line.split()[:2]) for line in lines] == [
        "promtool: looking",
        "promtool: downloading",
    ]
    asked = len(releases.requests)
    # Prometheus came with it, and the next process finds both.
    toolchain._locate.cache_clear()
    assert locate("prometheus").source == tool.source
    assert len(releases.requests) == asked


@pytest.mark.parametrize(
    ("system", "machine", "platform_name"),
    [
        ("Linux", "x86_64", "linux-amd64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Linux", "armv7l", "linux-armv7"),
        ("Darwin", "x86_64", "darwin-amd64"),
        ("Darwin", "arm64", "darwin-arm64"),
    ],
)
@pytest.mark.parametrize("name", [*TOOLS, "grafana"])
def test_each_platform_gets_its_own_archive(
    name: str,
    system: str,
    machine: str,
    platform_name: str,
    releases: Releases,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(archive.platform, "system", lambda: system)
    monkeypatch.setattr(archive.platform, "machine", lambda: machine)
    binary = script(tmp_path, name, f"{name} version 99.1.2")
    if name == "grafana":
        # Its archive is called otherwise, and the folder in it otherwise again.
        title = f"_{platform_name.replace('-', '_')}"
        published = releases.publish(name, {"bin/grafana": binary}, top="grafana-99.1.2")
    else:
        title = f".{platform_name}"
        published = releases.publish(name, {name: binary})
    assert published.name.endswith(f"{title}.tar.gz")
    tool = locate(name, lambda _: None)
    assert tool.version == "99.1.2"
    assert title in tool.source
    assert any(published.name in path for path in releases.requests)


@pytest.mark.parametrize("name", ["promtool", "grafana"])
def test_a_wrong_checksum_is_refused_and_nothing_is_installed(
    name: str, releases: Releases, tmp_path: Path
) -> None:
    binary = script(tmp_path, name, "version 99.1.2")
    releases.publish(name, {name: binary}, checksum="f" * 64)
    with pytest.raises(ToolMissing, match="is not what it should be"):
        locate(name, lambda _: None)
    assert [file.name for file in (tmp_path / "tools").iterdir()] == [".lock"]


def test_the_projects_own_checksum_counts_and_not_the_servers(
    releases: Releases, tmp_path: Path
) -> None:
    published = releases.publish(
        "promtool", {"promtool": script(tmp_path, "promtool", "version 99.1.2")}
    )
    versions.CHECKSUMS.write_text(f"{'e' * 64}  {published.name}\n")
    with pytest.raises(ToolMissing, match=f"kept says {'e' * 64}"):
        locate("promtool", lambda _: None)
    right = hashlib.sha256(published.read_bytes()).hexdigest()
    versions.CHECKSUMS.write_text(f"# ours\n{right}  {published.name}\n")
    next(published.parent.glob("sha256sums.txt")).unlink()
    assert locate("promtool", lambda _: None).version == "99.1.2"


def test_an_archive_writes_nothing_outside_its_folder(tmp_path: Path) -> None:
    harmless = script(tmp_path, "harmless", "")
    file = tmp_path / "archive.tar.gz"
    with tarfile.open(file, "w:gz") as content:
        for name in ("../outside", str(tmp_path / "absolute"), "prometheus-3/promtool"):
            # As it stands: tarfile itself would make the absolute name a relative one.
            member = content.gettarinfo(harmless)
            member.name = name
            with harmless.open("rb") as source:
                content.addfile(member, source)
    unpacked = archive._unpack(file, tmp_path / "inside")
    assert unpacked == tmp_path / "inside" / "prometheus-3"
    assert os.access(unpacked / "promtool", os.X_OK)
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "absolute").exists()


def test_an_archive_that_is_not_there_is_said(releases: Releases, tmp_path: Path) -> None:
    with pytest.raises(NotAvailableError, match=r"answers 404; versions\.env says which version"):
        archive.install(TOOLS["amtool"], _made(tmp_path), lambda _: None)


def test_an_archive_that_is_not_in_the_checksums_is_said(
    releases: Releases, tmp_path: Path
) -> None:
    binary = script(tmp_path, "amtool", "version 99.1.2")
    sums = releases.publish("amtool", {"amtool": binary}).parent / "sha256sums.txt"
    sums.write_text("")
    with pytest.raises(NotAvailableError, match="does not name"):
        archive.install(TOOLS["amtool"], _made(tmp_path), lambda _: None)


def test_an_archive_without_the_tool_is_said(releases: Releases, tmp_path: Path) -> None:
    releases.publish("amtool", {"promtool": script(tmp_path, "promtool", "version 99.1.2")})
    with pytest.raises(NotAvailableError, match="holds no amtool"):
        archive.install(TOOLS["amtool"], _made(tmp_path), lambda _: None)


def test_a_name_server_that_says_nothing_is_waited_for_as_long_as_was_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    silent = threading.Event()
    monkeypatch.setattr(archive, "REACHED_WITHIN_SECONDS", 0.1)
    monkeypatch.setattr(archive.httpx, "head", lambda *_, **__: silent.wait())
    monkeypatch.setenv("STACK_RELEASES_URL", "https://silent.invalid")
    lines: list[str] = []
    try:
        with pytest.raises(NotAvailableError, match=r"no answer within 0\.1 s"):
            archive.install(TOOLS["amtool"], _made(tmp_path), lines.append)
    finally:
        silent.set()
    assert lines[0].endswith("for 0.1 s at most")


@pytest.mark.skipif(not shutil.which("apt-get"), reason="the packages route needs apt")
def test_it_is_said_why_the_next_way_is_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STACK_RELEASES_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(packages, "_mirrors", list)
    spec = replace(TOOLS["promtool"], packages=("no-such-package",))
    monkeypatch.setitem(TOOLS, "promtool", spec)
    lines: list[str] = []
    with pytest.raises(ToolMissing) as missing:
        locate("promtool", lines.append)
    first, *others = lines
    assert first.endswith(f"for {archive.REACHED_WITHIN_SECONDS} s at most")
    assert [line.partition(", because ")[::2] for line in others] == [
        (
            "promtool: looking for the package in this release",
            "http://127.0.0.1:1 can't be reached: [Errno 111] Connection refused",
        ),
        (
            "promtool: looking for the package in forky",
            "this release: no package no-such-package",
        ),
        (
            "promtool: looking for the package in trixie",
            "forky: no lists at any mirror: apt has none",
        ),
    ]
    assert missing.value.reason.endswith("trixie: no lists at any mirror: apt has none")


class TestProxies:
    @pytest.fixture(autouse=True)
    def _none_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)

    def test_a_download_from_outside_goes_through_it(
        self, releases: Releases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        releases.publish("amtool", {"amtool": script(tmp_path, "amtool", "version 99.1.2")})
        monkeypatch.setenv("STACK_RELEASES_URL", "http://releases.invalid")
        monkeypatch.setenv("HTTP_PROXY", releases.url)
        assert locate("amtool", lambda _: None).version == "99.1.2"
        assert releases.requests[-1].startswith("http://releases.invalid/")

    def test_one_on_this_machine_does_not(
        self, releases: Releases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        releases.publish("amtool", {"amtool": script(tmp_path, "amtool", "version 99.1.2")})
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        assert locate("amtool", lambda _: None).version == "99.1.2"

    def test_a_dead_one_is_named_by_its_variable(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("STACK_RELEASES_URL", "http://releases.invalid")
        monkeypatch.setenv("HTTP_PROXY", "http://user:secret@127.0.0.1:1")
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(ToolMissing) as missing:
            locate("amtool", lambda _: None)
        assert "through the proxy that HTTP_PROXY names" in str(missing.value)
        assert "secret" not in str(missing.value)


GO = """\
#!/bin/sh
# A stand-in for Go that knows one module.
set -e
case "$1 $2" in
"mod download") echo '{"GoMod": "/modules/prometheus.mod"}' ;;
"mod edit") cat "$0.json" ;;
"build -mod=mod")
    cp go.mod "$0.built"
    mkdir bin
    for name in prometheus promtool; do
        printf '#!/bin/sh\necho "version 3.13.2"\n' >"bin/$name"
        chmod +x "bin/$name"
    done ;;
*) echo "no module can be reached" >&2; exit 1 ;;
esac
"""


class TestGoModules:
    @pytest.fixture
    def go(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        """A `go` on PATH, and a cache of this test's own; no archive can be reached."""
        monkeypatch.setenv("STACK_RELEASES_URL", "http://127.0.0.1:1")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("PATH", f"{tmp_path}/go:{os.environ['PATH']}")
        program = script(tmp_path / "go", "go", "")
        program.write_text(GO)
        theirs = {
            "Go": "1.25.0",
            "Replace": [
                {
                    "Old": {"Path": "example.com/a"},
                    "New": {"Path": "example.com/a", "Version": "v1.2.3"},
                },
                {"Old": {"Path": "example.com/theirs"}, "New": {"Path": "./theirs"}},
            ],
            "Exclude": [{"Path": "example.com/b", "Version": "v0.1.0"}],
        }
        program.with_name("go.json").write_text(json.dumps(theirs))
        return program

    def test_it_is_built_once_outside_the_checkout(self, go: Path, tmp_path: Path) -> None:
        lines: list[str] = []
        tool = locate_lts("promtool", lines.append)
        assert tool.path.is_relative_to(tmp_path / "cache")
        assert str(tool) == "promtool 3.13.2 from Go's modules"
        built = go.with_name("go.built").read_text().splitlines()
        assert "require github.com/prometheus/prometheus v0.313.2" in built
        assert "replace example.com/a => example.com/a v1.2.3" in built
        assert "exclude example.com/b v0.1.0" in built
        assert "theirs" not in " ".join(built)
        go.write_text("#!/bin/sh\nexit 1\n")
        toolchain._locate.cache_clear()
        assert locate_lts("prometheus").source == tool.source

    def test_what_a_repository_publishes_of_its_folders_is_taken_from_there(
        self, go: Path, tmp_path: Path
    ) -> None:
        module = KUBERNETES["kube-apiserver"].module
        assert module is not None
        lines = go_modules._module_file(tmp_path, module).splitlines()
        assert f"replace example.com/theirs => example.com/theirs {module.siblings}" in lines
        assert "replace example.com/a => example.com/a v1.2.3" in lines
        kustomize = KUBERNETES["kustomize"].module
        assert kustomize is not None
        assert (module.name, kustomize.name) == ("kubernetes", "kustomize")

    def test_what_go_says_is_passed_on(self, go: Path) -> None:
        go.write_text("#!/bin/sh\necho downloading >&2\necho 'no way out' >&2\nexit 1\n")
        with pytest.raises(ToolMissing, match="Go's modules: `go mod` fails: no way out"):
            locate_lts("promtool", lambda _: None)

    def test_without_go(self, go: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(ToolMissing, match="Go's modules: Go is not installed"):
            locate_lts("promtool", lambda _: None)

    def test_another_version_on_path_is_passed_over(
        self, go: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        monkeypatch.setenv("PATH", str(go.parent))
        script(go.parent, "promtool", "promtool, version 3.12.0")
        assert path.find(LTS["promtool"]) is None


@pytest.mark.skipif(not shutil.which("apt-get"), reason="the packages route needs apt")
@only_long
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
    with pytest.raises(NotAvailableError, match="not a Debian-family machine"):
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
