"""REMOTE_WRITE_URL: Prometheus's configuration with the committed queue, checked by promtool."""

from pathlib import Path

import pytest
import yaml

from alerts.paths import PROMETHEUS_CONFIG
from prometheus_tools import promtool
from prometheus_tools.yaml_reading import read_yaml
from stack import prometheus_config, remote_write
from stack.backend import StackError
from stack.native import NativeBackend
from tests.project import ROOT

FOLDER = PROMETHEUS_CONFIG.parent
URL = "https://metrics.example/api/v1/write"


def test_without_it_the_committed_file_is_taken() -> None:
    assert prometheus_config.changed(FOLDER, {}) is None
    assert "remote_write" not in PROMETHEUS_CONFIG.read_text(encoding="utf-8")


def test_the_address_is_the_only_change_to_what_is_committed(tmp_path: Path) -> None:
    text = prometheus_config.changed(FOLDER, {"REMOTE_WRITE_URL": URL})
    assert text is not None
    written = read_yaml(text)
    (remote,) = written.pop("remote_write")
    assert written == read_yaml(PROMETHEUS_CONFIG.read_text(encoding="utf-8"))
    (committed,) = read_yaml((FOLDER / remote_write.FILE).read_text(encoding="utf-8"))[
        "remote_write"
    ]
    assert remote == {**committed, "url": URL}
    # Rules are checked elsewhere; reading them takes longer than all else.
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump({"remote_write": [remote]}), encoding="utf-8")
    promtool.check_config(config)


def test_it_goes_together_with_another_interval() -> None:
    variables = {"REMOTE_WRITE_URL": URL, "SCRAPE_INTERVAL": "5s"}
    written = read_yaml(prometheus_config.changed(FOLDER, variables) or "")
    assert written["global"]["scrape_interval"] == "5s"
    assert written["remote_write"][0]["url"] == URL


SECRET = "tigerpw77"
_CREDENTIALS = "write authorization or basic_auth"
_USE = "use an address such as http://"


@pytest.mark.parametrize(
    ("url", "wrong", "fix"),
    [
        ("victoria:8428", "begin with http://", _USE),
        ("ftp://host/tigerpw77", "begin with http://", _USE),
        ("http:///api/tigerpw77", "no host", _USE),
        ("http://[bad/tigerpw77", "no host", _USE),
        ("http://[::1/tigerpw77", "no host", _USE),
        ("http://a..b/write", "no host", _USE),
        ("http://300.1.1.1/write", "no host", _USE),
        ("http://h:99999/tigerpw77", "port after h .* 1 to 65535", _USE),
        ("http://h:0/write", "port after h ", _USE),
        ("http://[::1]:tigerpw77/write", "port after ", _USE),
        ("http://h/a b/tigerpw77", "a space", _USE),
        ("http://h/write\n", "a space", _USE),
        ("http://me:tigerpw77@host/write", "no user or password", _CREDENTIALS),
        ("http://tigerpw77@host/write", "no user or password", _CREDENTIALS),
        ("ftp://scott:tigerpw77@h/x", "no user or password", _CREDENTIALS),
        ("http://scott:tigerpw77@[bad/x", "no user or password", _CREDENTIALS),
        ("https://host/write?token=tigerpw77", "nothing after [?]", _CREDENTIALS),
        ("https://host/write#tigerpw77", "nothing after [?]", _CREDENTIALS),
    ],
)
def test_what_is_no_address_is_refused_before_anything_starts(
    url: str, wrong: str, fix: str, tmp_path: Path
) -> None:
    with pytest.raises(StackError, match=f"(?s)^REMOTE_WRITE_URL: .*{wrong}.*; {fix}") as refused:
        NativeBackend(ROOT, tmp_path, {"REMOTE_WRITE_URL": url}).up()
    assert SECRET not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8428/api/v1/write",
        "HTTPS://Metrics.example./api/v1/push",
        "http://[::1]:8428/write",
        "http://victoria_metrics:8428",
    ],
)
def test_addresses_of_every_form_are_taken(url: str) -> None:
    assert remote_write.chosen({"REMOTE_WRITE_URL": url}) == url


def test_memory_is_bounded_by_what_the_queue_may_hold() -> None:
    (remote,) = remote_write.section(FOLDER, URL)["remote_write"]
    queue = remote["queue_config"]
    waiting = queue["max_shards"] * (queue["capacity"] + queue["max_samples_per_send"])
    assert waiting <= 200_000
    assert queue["capacity"] >= 3 * queue["max_samples_per_send"]
    assert queue["retry_on_http_429"] is True
