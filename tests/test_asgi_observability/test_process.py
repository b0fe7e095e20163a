"""Processes without HTTP: a cron script, a worker that forks, one that is terminated."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from asgi_observability.process import observe_process
from tests.free_port import free_port
from tests.project import ROOT

BEGIN = """
import os, sys, time
from asgi_observability.process import observe_process
watched = observe_process(service="cron", {where})
paid = watched.counter("paid_total", "Payments", by=["card"])
"""


def script(where: str, then: str) -> Sequence[str]:
    return (sys.executable, "-c", BEGIN.format(where=where) + then)


@pytest.fixture
def textfile(tmp_path: Path) -> Path:
    return tmp_path / "cron.prom"


def run(textfile: Path, then: str) -> None:
    subprocess.run(script(f"textfile={str(textfile)!r}", then), cwd=ROOT, check=True)


def values(exposed: str) -> dict[str, float]:
    return {
        sample.name: sample.value
        for family in parsed(exposed)
        for sample in family.samples
        if sample.labels.get("by", "card") == "card"
    }


def test_runs_of_a_script_add_up_however_short_they_are(textfile: Path) -> None:
    for runs in (1, 2):
        run(textfile, "paid.inc(5, by='card'); watched.gauge('left').set(3)")
        exposed = textfile.read_text()
        assert 'paid_total{by="card",service="cron"}' in exposed
        found = values(exposed)
        assert (found["paid_total"], found["left"], found["process_workers"]) == (5 * runs, 3, 0)
        # node_exporter has these itself, and nothing of a process that has ended stands still.
        assert not {"process_cpu_seconds_total", "process_open_fds"} & found.keys()
        assert "background_task_last_round_timestamp_seconds" not in found
    # Nothing that the collector would read beside it.
    assert [*textfile.parent.glob("*.prom")] == [textfile]


def test_children_are_counted_however_they_leave(textfile: Path) -> None:
    run(
        textfile,
        """
import multiprocessing
paid.inc(1, by='card')
def work(amount):
    paid.inc(amount, by='card')
for method in ("fork",):
    children = [
        multiprocessing.get_context(method).Process(target=work, args=(10,)) for _ in range(3)
    ]
    [child.start() for child in children]
    [child.join() for child in children]
pid = os.fork()
if not pid:
    work(100)
    os._exit(0)
os.waitpid(pid, 0)
pid = os.fork()
if not pid:
    work(1000)
    sys.exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
""",
    )
    assert values(textfile.read_text())["paid_total"] == 1 + 30 + 100 + 1000


def test_sigterm_writes_and_ends_the_process_as_before(textfile: Path) -> None:
    forever = "paid.inc(5, by='card'); print('ready', flush=True); time.sleep(600)"
    process = subprocess.Popen(
        script(f"textfile={str(textfile)!r}", forever), cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
    process.terminate()
    assert process.wait() == -signal.SIGTERM
    assert values(textfile.read_text())["paid_total"] == 5


def test_a_process_that_is_asked_twice_to_end_writes_all_the_same(textfile: Path) -> None:
    # Pools of multiprocessing do so, and whoever stops a whole group of processes.
    twice = """
import prometheus_client
import asgi_observability.process as process
process.END_SECONDS = 60  # however slow the machine
class AsksAgain:
    asked = 1
    def collect(self):
        if self.asked == 1:
            self.asked = 2
            os.kill(os.getpid(), 15)
            time.sleep(0.05)
        return []
asks_again = AsksAgain()
registry = prometheus_client.CollectorRegistry()
asks_again.asked = 0
registry.register(asks_again)
watched.instruments.include(registry)
paid.inc(5, by='card')
asks_again.asked = 1
os.kill(os.getpid(), 15)
time.sleep(600)
"""
    process = subprocess.run(script(f"textfile={str(textfile)!r}", twice), cwd=ROOT, check=False)
    assert process.returncode == -signal.SIGTERM
    assert values(textfile.read_text())["paid_total"] == 5


def test_a_process_that_leaves_by_os_exit_writes_first(textfile: Path) -> None:
    run(textfile, "paid.inc(5, by='card'); os._exit(0)")
    assert values(textfile.read_text())["paid_total"] == 5


def test_a_handler_of_the_host_s_own_stays(textfile: Path) -> None:
    run(
        textfile,
        """
import signal
import asgi_observability.process as process
def handler(*_): ...
signal.signal(signal.SIGTERM, handler)
observe_process(service="other", textfile="%s")
assert signal.getsignal(signal.SIGTERM) is handler
"""
        % (textfile.parent / "other.prom"),
    )


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def test_what_cannot_be_is_said_at_once(tmp_path: Path, taken: int) -> None:
    with pytest.raises(ValueError, match="textfile=…"):
        observe_process(service="cron")
    with pytest.raises(ValueError, match=r"\.prom"):
        observe_process(service="cron", textfile=tmp_path / "cron.txt")
    with pytest.raises(OSError, match=f"port={taken}: .* use another"):
        observe_process(service="cron", port=taken)


def test_a_port_answers_for_the_process_and_its_children() -> None:
    port = free_port()
    then = """
paid.inc(5, by='card')
pid = os.fork()
if not pid:
    paid.inc(7, by='card')
    os._exit(0)
os.waitpid(pid, 0)
print('ready', flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        script(f"port={port}", then), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        found = values(client.get("/metrics").text)
        assert (found["paid_total"], found["process_workers"]) == (12, 1)
        assert found["process_resident_memory_bytes"] > 0
        assert client.get("/other").status_code == 404
    process.communicate()
    assert process.returncode == 0
