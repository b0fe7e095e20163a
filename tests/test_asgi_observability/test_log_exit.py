"""The last lines: written, however a process ends."""

import signal
import subprocess
import sys

import pytest

PROCESS = """
import os, signal, sys
from asgi_observability import log_exit, logging
from asgi_observability.logging import LogOptions, configure_logging, get_logger
from asgi_observability.resource import Resource
configure_logging(Resource("billing"), LogOptions())
log = get_logger("app")
"""

ENDS = {
    # As uvicorn does after a lifespan.
    "a server that ends itself by SIGTERM after the lifespan": """
with log_exit.settled_afterwards():
    log.info("served")
log.info("stopped")
signal.raise_signal(signal.SIGTERM)
""",
    "a script that asked for it and is ended by SIGTERM": """
log_exit.settle_on_sigterm()
log.info("served")
log.info("stopped")
os.kill(os.getpid(), signal.SIGTERM)
""",
    "a script that comes to its end": """
import atexit
atexit.register(lambda: log.info("stopped"))
log.info("served")
""",
    "a finalizer in the last moment": """
class Finalized:
    def __del__(self, put=logging.pipeline().writers[0].put):
        put(b'{"event":"stopped"}\\n')
sys.modules["kept"] = Finalized()
log.info("served")
""",
    "a fork of multiprocessing": """
import multiprocessing
log.info("served")
logging.flush()
def work():
    log.info("stopped")
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
assert child.exitcode == 0
os._exit(0)
""",
    "a preforking server whose child exits": """
log.info("served")
logging.flush()
child = os.fork()
if child:
    os.waitpid(child, 0)
    os._exit(0)
log.info("stopped")
""",
}


@pytest.mark.parametrize("end", ENDS)
def test_the_last_lines_are_written(end: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS + ENDS[end]], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == (-signal.SIGTERM if "SIGTERM" in end else 0), done.stderr
    lines = done.stdout.splitlines()
    assert [line.split('"event":"')[1].split('"')[0] for line in lines] == ["served", "stopped"]
    assert not done.stderr


def test_uvicorn_that_is_asked_to_end_writes_its_last_word() -> None:
    script = """
import asyncio, uvicorn
configure_logging(Resource("billing"), LogOptions(replace_handlers=True))

async def app(scope, receive, send):
    with log_exit.settled_afterwards():
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        os.kill(os.getpid(), signal.SIGTERM)

Server(uvicorn.Config(app, port=0, log_config=None)).run()
"""
    done = subprocess.run([sys.executable, "-c", PROCESS + script], capture_output=True, text=True)
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert '"event":"Finished server process [' in done.stdout.splitlines()[-1]


def test_a_handler_of_the_host_stays() -> None:
    script = """
def handle(number, frame):
    log.info("handled")
    sys.exit(3)
signal.signal(signal.SIGTERM, handle)
log_exit.settle_on_sigterm()
signal.raise_signal(signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", PROCESS + script], capture_output=True, text=True)
    assert done.returncode == 3
    assert '"event":"handled"' in done.stdout


def test_a_reader_that_has_stopped_reading_holds_no_process_back() -> None:
    """A pipe that nobody empties: the process ends all the same, within the time it may take."""
    script = """
import time
from asgi_observability import log_writer
log_writer.SETTLED_SECONDS = 0.05
for number in range(2000):
    log.info("served", number=number)
began = time.monotonic()
log_exit.settle_all(0.1)
for number in range(100):
    log.info("stopped", number=number)
sys.stderr.write("ended")
sys.stderr.flush()
signal.raise_signal(signal.SIGTERM)
"""
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS + script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stderr.read() == b"ended"
        assert process.wait(60) == -signal.SIGTERM
