"""Work done again and again in the background: it never ends by itself, and tells when it stands.

`Background.every` is for an event loop, `Rounds` is a thread for what needs none.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from asgi_observability import catalogue, correlation
from asgi_observability.code_names import bare_class_name
from asgi_observability.event import FromCode
from asgi_observability.events import BackgroundTaskFailed
from asgi_observability.forking import in_each_child
from asgi_observability.instruments import Instruments
from asgi_observability.logger import get_logger

log = get_logger(__name__)

LATER_SECONDS = 60.0
"""When work that can wait begins."""

REPEAT_SECONDS = 60.0
"""How often at most the same failure of a task is logged; each is counted."""

STOP_SECONDS = 2.0
"""How long whoever stops the rounds waits for the one under way."""


class Background:
    """The background tasks of one worker: none ends before it is cancelled, each failure counts."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._failures = instruments.counter(catalogue.BACKGROUND_TASK_FAILURES)
        self._failures.bind_all()
        self._last_round = instruments.gauge(catalogue.BACKGROUND_TASK_LAST_ROUND)
        self._interval = instruments.gauge(catalogue.BACKGROUND_TASK_INTERVAL)
        self._logged: dict[tuple[str, str], float] = {}

    async def every(self, task: str, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """Do ``work``, wait ``seconds``, and so on until cancelled.

        A cancellation takes effect between two rounds: one that is under way ends as it would have,
        with its transaction and its connection. What ``work`` raises is counted and logged, and the
        next round tries again. Each round has a correlation ID of its own.
        """
        self.begins(task, seconds)
        while True:
            correlation.bind(correlation.new_id())
            round_ = asyncio.ensure_future(_awaited(work))
            try:
                await asyncio.shield(round_)
            except asyncio.CancelledError as error:
                if not round_.done() or _is_cancelled():
                    await asyncio.wait([round_])
                    if not round_.cancelled() and (failure := round_.exception()):
                        self.failed(task, failure)
                    raise
                # Something within the work was cancelled, and not the task.
                self.failed(task, error)
            except Exception as error:
                self.failed(task, error)
            self.ended_round(task)
            await asyncio.sleep(seconds)

    async def every_beginning_later(
        self, task: str, seconds: float, work: Callable[[], Awaitable[object]]
    ) -> None:
        """The same, but not at once: a worker that starts has its first requests to answer."""
        await asyncio.sleep(min(seconds, LATER_SECONDS))
        await self.every(task, seconds, work)

    def begins(self, task: str, seconds: float) -> None:
        """A task begins that means to have a round every ``seconds``."""
        with self._instruments.contained():
            # Seen at zero before the first failure.
            self._failures.series(task)
            self._interval.series(task).note(seconds)
        self.ended_round(task)

    def ended_round(self, task: str) -> None:
        """Tell that a round has come to its end, well or not. Never raises."""
        with self._instruments.contained():
            self._last_round.series(task).note(time.time())

    def failed(self, task: str, error: BaseException) -> None:
        """Count and log what went wrong in a round that goes on all the same. Never raises."""
        if task in catalogue.BACKGROUND_TASKS:
            self._instruments.count_error()
        with self._instruments.contained():
            self._failures.series(task).note()
            kind = bare_class_name(type(error))
            now = time.monotonic()
            if now - self._logged.get((task, kind), -REPEAT_SECONDS) >= REPEAT_SECONDS:
                self._logged[task, kind] = now
                log.event(
                    BackgroundTaskFailed(task=FromCode(task), error_type=FromCode(kind)), error
                )


class Rounds:
    """One thread that does several pieces of work every ``seconds``, each whatever the others do.

    It runs where no event loop does, and isn't held up by one. In a forked process it begins anew
    if it ran in the parent.
    """

    def __init__(self, background: Background, seconds: float) -> None:
        self._background = background
        self._seconds = seconds
        self._work: dict[str, Callable[[], object]] = {}
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        in_each_child(self._begin_in_child)

    def add(self, task: str, work: Callable[[], object]) -> None:
        """Do ``work`` as well, under the name ``task``."""
        self._work[task] = work

    def start(self) -> None:
        """Begin, or go on if the thread has ended. Raises RuntimeError if there can't be one."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stopped = threading.Event()
        for task in self._work:
            self._background.begins(task, self._seconds)
        self._thread = threading.Thread(
            target=self._run, args=(self._stopped,), name="observability", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """No further round; the one under way has `STOP_SECONDS` to end."""
        thread, self._thread = self._thread, None
        self._stopped.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(STOP_SECONDS)

    @property
    def is_running(self) -> bool:
        return self._thread is not None

    def do(self) -> None:
        """One round. Never raises."""
        for task, work in tuple(self._work.items()):
            try:
                work()
            except BaseException as error:  # even SystemExit would end only this thread
                self._background.failed(task, error)
            self._background.ended_round(task)

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            with suppress(BaseException):
                self.do()
            stopped.wait(self._seconds)

    def _begin_in_child(self) -> None:
        if self._thread is not None:
            self._thread = None
            self.start()


async def _awaited(work: Callable[[], Awaitable[object]]) -> None:
    await work()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
