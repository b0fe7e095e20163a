"""A process that counts, leaves snapshots when it is told to, and can be killed at any time."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from asgi_observability.instruments import Instruments
from asgi_observability.metric import Kind, Label, Metric
from asgi_observability.snapshot import FamilySnapshot, HistogramRow
from asgi_observability.workers import Workers

PAID = Metric("paid_total", Kind.COUNTER, "payments", "Payments.", (Label("by", ("card",)),))
WAITING = Metric("waiting", Kind.GAUGE, "payments", "Payments that wait.")
LARGEST = Metric("largest", Kind.GAUGE, "payments", "The largest.", merge="livemax")
SECONDS = Metric("paid_seconds", Kind.HISTOGRAM, "seconds", "Time to pay.", buckets=(0.5, 1.0))


def counted(payments: int, waiting: int = 0) -> Instruments:
    """Instruments that have counted so many payments, of 0.7 seconds each."""
    instruments = Instruments()
    count(instruments, payments, waiting)
    return instruments


def count(instruments: Instruments, payments: int, waiting: int = 0) -> None:
    """Count so many more."""
    instruments.counter(PAID).series("card").note(payments)
    instruments.gauge(WAITING).series().note(waiting)
    instruments.gauge(LARGEST).series().note(waiting)
    for _ in range(payments and 1):
        instruments.histogram(SECONDS).series().note(0.7)


def told(families: list[FamilySnapshot], metric: Metric, *labels: str) -> float | None:
    """The value of one series; of a histogram, how many observations it has."""
    for family in families:
        if family.name == metric.name:
            row = family.rows.get(labels)
            return sum(row.counts) if isinstance(row, HistogramRow) else row
    return None


def paid(workers: Workers) -> float | None:
    """How many payments ``workers`` tells now."""
    return told(workers.families(), PAID, "card")


class Child:
    """A forked process that does one thing each time it is asked, and says what came of it.

    ``begin`` makes, in the child, what is called at each `ask`.
    """

    def __init__(self, begin: Callable[[], Callable[[str], str]]) -> None:
        asked, self._ask = os.pipe()
        self._answers, answer = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                os.close(self._ask)
                do = begin()
                while question := os.read(asked, 100):
                    os.write(answer, do(question.decode()).encode())
            except BaseException as error:
                os.write(answer, f"failed: {error!r}".encode())
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        os.close(asked)
        os.close(answer)

    def ask(self, question: str = "go on") -> str:
        """Have it do its thing; gives what it answers, nothing if it died over it."""
        os.write(self._ask, question.encode())
        return os.read(self._answers, 1000).decode()

    def kill(self) -> None:
        """End it as the system does when memory runs out."""
        for end in (self._ask, self._answers):
            os.close(end)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def worker(folder: Path, payments: int, waiting: int = 0) -> Child:
    """A process that has counted so much and written it down once."""

    def begin() -> Callable[[str], str]:
        instruments = counted(payments, waiting)
        workers = Workers(instruments, folder)

        def do(question: str) -> str:
            if question == "tell":
                return str(paid(workers))
            if question.isdigit():
                count(instruments, int(question), waiting)
            workers.leave_snapshot()
            return "written"

        return do

    child = Child(begin)
    assert child.ask() == "written"
    return child
