"""A version that stands in more than one place is the same in all of them."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


# --- requirements ---------------------------------------------------------------------------------

EXTRAS = {
    "app": [],
    "stack": ["stack"],
    "preview": ["stack", "preview"],
    "dev": ["stack", "preview", "dev"],
}
"""The extras that each file of requirements/ is made of, as `make lock` names them."""


class Pin(NamedTuple):
    """A package at a version, on the machines that its marker names."""

    package: str
    version: str
    marker: str
    hashes: int


def _pins(text: str) -> list[Pin]:
    """The pins of a file that `make lock` wrote."""
    pins = []
    for entry in re.split(r"\n(?=\S)", text.strip()):
        requirement = Requirement(entry.partition("\n")[0].removesuffix("\\"))
        version = str(requirement.specifier).removeprefix("==")
        package, marker = canonicalize_name(requirement.name), str(requirement.marker or "")
        pins.append(Pin(package, version, marker, entry.count("--hash=sha256:")))
    return pins


def _wrong_pins(files: Mapping[str, str]) -> list[str]:
    """What is wrong with the texts of these files."""
    pins = {f"requirements/{file}.txt": _pins(text) for file, text in files.items()}
    wrong = [
        f"{path}: {pin.package} has no hash"
        for path, each in pins.items()
        for pin in each
        if not pin.hashes
    ]
    wrong += _not_asked_for(pins)
    for (path, each), (other, others) in combinations(pins.items(), 2):
        there = {(pin.package, pin.marker): pin.version for pin in others}
        wrong += [
            f"{path}: {pin.package} is {pin.version}, but {version} in {other}"
            for pin in each
            if (version := there.get((pin.package, pin.marker), pin.version)) != pin.version
        ]
    return wrong


def _not_asked_for(pins: Mapping[str, Sequence[Pin]]) -> Iterator[str]:
    """The requirements of pyproject.toml that these pins don't meet."""
    project = PYPROJECT["project"]
    for path, extras in zip(pins, EXTRAS.values(), strict=True):
        asked = [*project["dependencies"]]
        for extra in extras:
            asked += project["optional-dependencies"][extra]
        for requirement in map(Requirement, not_empty(asked)):
            package = canonicalize_name(requirement.name)
            versions_pinned = [pin.version for pin in pins[path] if pin.package == package]
            if not versions_pinned:
                yield f"{path}: {package} is not pinned"
            for version in versions_pinned:
                if not requirement.specifier.contains(version, prereleases=True):
                    yield f"{path}: {package} is {version}, but pyproject.toml wants {requirement}"


def _requirements() -> dict[str, str]:
    return {file: (ROOT / f"requirements/{file}.txt").read_text() for file in EXTRAS}


def test_what_is_pinned_is_what_is_asked_for() -> None:
    wrong = _wrong_pins(_requirements())
    assert wrong == [], "\n".join([*wrong, "`make lock` writes these files again"])


def test_make_lock_makes_each_file_of_these_extras() -> None:
    lines = re.findall(r"\$\(call locked,(\w+),(.*)\)", (ROOT / "Makefile").read_text())
    made = {file: re.findall(r"--extra (\w+)", options) for file, options in lines}
    assert made == EXTRAS
    assert {file.stem for file in (ROOT / "requirements").glob("*.txt")} == set(EXTRAS)


@pytest.mark.parametrize(
    ("pattern", "replacement", "complaint"),
    [
        (
            r"^fastapi==\S+",
            "fastapi==0.1.0",
            "app.txt: fastapi is 0.1.0, but pyproject.toml wants fastapi>=0.142",
        ),
        (r"^fastapi==\S+", "fastapi==0.1.0", " in requirements/stack.txt"),
        (r"^fastapi==(.|\n )*\n", "", "app.txt: fastapi is not pinned"),
        (r"^(fastapi==\S+)(.|\n )*\n", r"\1\n", "app.txt: fastapi has no hash"),
    ],
)
def test_a_wrong_pin_is_named(pattern: str, replacement: str, complaint: str) -> None:
    files = _requirements()
    files["app"] = re.sub(pattern, replacement, files["app"], flags=re.MULTILINE)
    wrong = "\n".join(_wrong_pins(files))
    assert complaint in wrong
