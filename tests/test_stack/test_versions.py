"""A version that stands in more than one place is the same in all of them."""

import re
import tomllib
from itertools import product
from pathlib import Path

import pytest

from prometheus_tools.toolchain import FLOOR, TOOLS, versions
from prometheus_tools.toolchain.tool import OPTIONAL, Release
from tests.not_empty import not_empty
from tests.project import ROOT

PINNED = versions.pinned()
IMAGES = (ROOT / "docker-compose.yml").read_text() + (ROOT / "Dockerfile").read_text()
TOOLCHAIN = (ROOT / "prometheus_tools/toolchain/tool.py").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCS = {
    str(file.relative_to(ROOT)): file.read_text()
    for file in (*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")))
}
PARTS = {
    "Prometheus": "PROMETHEUS_FLOOR_VERSION",
    "promtool": "PROMETHEUS_FLOOR_VERSION",
    "Alertmanager": "ALERTMANAGER_OLDEST",
    "amtool": "ALERTMANAGER_OLDEST",
    "node_exporter": "NODE_EXPORTER_OLDEST",
    "Grafana": "GRAFANA_OLDEST",
    "compose v2": "COMPOSE_OLDEST",
    "Python": "PYTHON_OLDEST",
}
RELEASES = {
    spec.release for spec in (*TOOLS.values(), *OPTIONAL.values(), *FLOOR.values()) if spec.release
}
PLATFORMS = list(product(("linux", "darwin"), ("amd64", "arm64")))


def _archive(release: Release, system: str, machine: str) -> str:
    return f"{release.name.format(system=system, machine=machine)}.tar.gz"


def _kept() -> dict[str, str]:
    lines = versions.CHECKSUMS.read_text().splitlines()
    pairs = [line.split("  ") for line in lines if not line.startswith("#")]
    return {archive: checksum for checksum, archive in pairs}


def test_docker_compose_by_hand_reads_the_same_file() -> None:
    assert (ROOT / ".env").resolve() == versions.FILE.resolve()


# pyproject.toml and the Makefile can't read it; test_pythons_oldest_version compares them.
@pytest.mark.parametrize("name", sorted(PINNED.keys() - {"PYTHON_OLDEST"}))
def test_each_version_is_used(name: str) -> None:
    assert f"${{{name}" in IMAGES or f'"{name}"' in TOOLCHAIN, f"nothing reads {name}"


@pytest.mark.parametrize("name", PINNED)
def test_each_version_is_in_the_docs(name: str) -> None:
    rows = [line for line in DOCS["docs/versions.md"].splitlines() if f"`{name}` |" in line]
    assert len(rows) == 1, f"docs/versions.md has no row of {name}"
    assert re.search(rf"\| {re.escape(PINNED[name])}[ ,]", rows[0]), (
        f"{name} is {PINNED[name]}; docs/versions.md says: {rows[0]}"
    )


def test_no_other_version_is_asked_for_in_the_docs() -> None:
    found = [
        (file, part, version)
        for file, text in DOCS.items()
        for part in PARTS
        for version in re.findall(rf"\b{part} \(?([\d.]*\d) or newer", text)
    ]
    assert {part for _, part, _ in found} >= {"Prometheus", "Alertmanager", "Grafana", "Python"}
    for file, part, version in not_empty(found):
        oldest = versions.oldest(PARTS[part])
        said = tuple(map(int, version.split(".")))
        assert said == oldest[: len(said)], f"{file}: {part} {version}; {PARTS[part]} is {oldest}"


def test_no_image_names_a_version_itself() -> None:
    images = re.findall(r"^(?:FROM|\s+image:) (\S+)", IMAGES, re.MULTILINE)
    # Without a colon it is another stage of the Dockerfile.
    foreign = [image for image in images if ":" in image and not image.endswith(":local")]
    assert len(foreign) == 7 + 4
    for image in foreign:
        _, _, tag = image.partition(":")
        assert re.match(r"v?\$\{[A-Z_]+\b", tag), f"{image}: its tag belongs into versions.env"


def test_kept_checksums_are_of_archives_that_are_asked_for() -> None:
    known = {_archive(release, *platform) for release in RELEASES for platform in PLATFORMS}
    kept = _kept()
    assert kept
    for archive, checksum in kept.items():
        assert archive in known, f"versions.sha256: {archive} is no version of versions.env"
        assert re.fullmatch(r"[0-9a-f]{64}", checksum), archive


@pytest.mark.parametrize("name", [*TOOLS, "grafana"])
@pytest.mark.parametrize("machine", ["amd64", "arm64"])
def test_the_checksum_of_each_archive_for_linux_is_kept(name: str, machine: str) -> None:
    release = (TOOLS | OPTIONAL)[name].release
    assert release is not None
    archive = _archive(release, "linux", machine)
    assert versions.checksum(archive), f"versions.sha256 has no line for {archive}"


def test_pythons_oldest_version() -> None:
    oldest = PINNED["PYTHON_OLDEST"]
    makefile = (ROOT / "Makefile").read_text()
    assert PYPROJECT["project"]["requires-python"] == f">={oldest}"
    assert PYPROJECT["tool"]["mypy"]["python_version"] == oldest
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    assert f"--python-version {oldest} " in makefile
    assert f"sys.version_info < ({oldest.replace('.', ', ')})" in makefile
    assert f"Python {oldest} or newer is needed" in makefile
    assert versions.minor(PINNED["PYTHON_TAG"].partition("-")[0]) >= versions.oldest(
        "PYTHON_OLDEST"
    )


def test_the_images_are_of_the_debian_that_the_stand_ins_are_made_of() -> None:
    from tests.test_stack.compose.stand_ins import STABLE

    assert PINNED["PYTHON_TAG"].endswith(f"-{STABLE}")
    assert PINNED["POSTGRES_TAG"].endswith(f"-{STABLE}")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("PROMETHEUS_VERSION=latest", "line 2: PROMETHEUS_VERSION=latest: use three numbers"),
        ("PROMETHEUS_VERSION=v3.13.2", "PROMETHEUS_VERSION=v3.13.2: use three numbers"),
        ("GRAFANA_OLDEST=11", "GRAFANA_OLDEST=11: use two numbers"),
        ("PYTHON_TAG=slim", "PYTHON_TAG=slim: use a tag that begins with its version"),
        ("PROMETHEUS=3.13.2", "PROMETHEUS ends in none of _VERSION"),
    ],
)
def test_a_wrong_line_is_refused_by_name(line: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "versions.env"
    file.write_text(f"# versions\n{line}\n")
    with pytest.raises(versions.VersionsError, match=re.escape(complaint)):
        versions.pinned(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(versions.VersionsError, match=r"versions\.env can't be read \(No such file"):
        versions.pinned(tmp_path / "versions.env")


def test_a_variable_that_is_not_there_is_named() -> None:
    with pytest.raises(versions.VersionsError, match=r"versions\.env has no LOKI_OLDEST"):
        versions.version("LOKI_OLDEST")
