"""Whose a state folder is, and what compose calls the stack of a checkout."""

import re
import shutil
from pathlib import Path

import pytest

from stack import ownership, readable
from stack.backend import StackError
from tests.project import ROOT


def _checkout(path: Path) -> Path:
    (path / "stack").mkdir(parents=True)
    return path


@pytest.fixture(autouse=True)
def no_name_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ownership.PROJECT_VARIABLE, raising=False)


def test_each_checkout_has_a_readable_name_of_its_own_that_stays(tmp_path: Path) -> None:
    one, other = (_checkout(tmp_path / name / "My SMS (new)") for name in ("a", "b"))
    name = ownership.project(one, one / ".state")
    assert re.fullmatch(r"my-sms-new-[0-9a-f]{8}", name)
    assert ownership.project(one, one / ".state") == name
    assert ownership.project(other, other / ".state") != name
    strange = _checkout(tmp_path / "¿?")
    assert re.fullmatch(r"checkout-[0-9a-f]{8}", ownership.project(strange, strange / ".state"))


def test_a_name_that_was_asked_for_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _checkout(tmp_path / "sms")
    monkeypatch.setenv(ownership.PROJECT_VARIABLE, "mine")
    ownership.settle(root, root / ".state")
    monkeypatch.delenv(ownership.PROJECT_VARIABLE)
    assert ownership.project(root, root / ".state") == "mine"


def test_what_is_only_asked_for_is_never_the_checkouts_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that `make clean` deletes nothing of a project that this checkout has not started."""
    root = _checkout(tmp_path / "sms")
    monkeypatch.setenv(ownership.PROJECT_VARIABLE, "another")
    assert ownership.project(root, root / ".state") == "another"
    assert ownership.own_project(root, root / ".state").startswith("sms-")


def test_a_moved_checkout_keeps_its_name(tmp_path: Path) -> None:
    root = _checkout(tmp_path / "sms")
    ownership.settle(root, root / ".state")
    name = ownership.project(root, root / ".state")
    moved = root.rename(tmp_path / "elsewhere")
    assert ownership.moved_from(moved / ".state") == root / ".state"
    assert ownership.earlier_checkout(moved / ".state") == root
    assert ownership.project(moved, moved / ".state") == name
    ownership.check(moved, moved / ".state")
    ownership.settle(moved, moved / ".state")
    assert ownership.moved_from(moved / ".state") is None
    assert ownership.project(moved, moved / ".state") == name


def test_a_copy_is_another_one(tmp_path: Path) -> None:
    root = _checkout(tmp_path / "sms")
    ownership.settle(root, root / ".state")
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    assert ownership.moved_from(copy / ".state") is None
    assert ownership.project(copy, copy / ".state") != ownership.project(root, root / ".state")
    ownership.settle(copy, copy / ".state")
    # Nor is it taken for the first one when that is gone.
    shutil.rmtree(root)
    assert ownership.moved_from(copy / ".state") is None


def test_a_state_without_an_origin_is_taken_as_it_is(tmp_path: Path) -> None:
    root = _checkout(tmp_path / "sms")
    state = root / ".state"
    state.mkdir()
    for content in ("", "{}", "[]", '{"id": 1}'):
        (state / ownership.FILE).write_text(content)
        ownership.check(root, state)
        assert ownership.moved_from(state) is None


def test_what_containers_cannot_read_is_named_with_the_command_that_opens_it(
    tmp_path: Path,
) -> None:
    for name in (
        "app",
        "asgi_observability",
        "simulator",
        "alerts",
        "prometheus_tools",
        "stack",
        "requirements",
    ):
        (tmp_path / name).mkdir(mode=0o755)
    for name in readable.MOUNTED:
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "Dockerfile", tmp_path)
    for path in tmp_path.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    readable.check(tmp_path)

    closed = tmp_path / "prometheus" / "prometheus.yml"
    closed.chmod(0o600)
    with pytest.raises(StackError) as refused:
        readable.check(tmp_path)
    said = str(refused.value)
    assert f"can't read {closed} and 0 others" in said
    assert "umask 077" in said
    assert "chmod -R o+rX" in said
    assert " prometheus " in said
