"""Workers killed at any moment, in the middle of a scrape as well: no count is lost or doubled."""

import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path

from asgi_observability.instruments import Instruments
from asgi_observability.workers import Workers
from tests.length import LONG
from tests.test_asgi_observability.counting_process import Child, count, paid

STEPS = 6000 if LONG else 120


def test_whatever_was_written_is_told_for_good(tmp_path: Path) -> None:
    def begin() -> Callable[[str], str]:
        instruments = Instruments()
        workers = Workers(instruments, tmp_path)

        def do(question: str) -> str:
            if question == "tell":
                return str(paid(workers))
            count(instruments, int(question))
            workers.leave_snapshot()
            return "written"

        return do

    chance = random.Random(1)
    reader, total, kills = Workers(Instruments(), tmp_path), 0, 0
    children: list[Child] = []
    with contextlib.ExitStack() as ending:
        ending.callback(lambda: [child.kill() for child in children])
        for _ in range(STEPS):
            while len(children) < 4:
                children.append(Child(begin))
            child = chance.choice(children)
            match chance.choice(("pay", "pay", "tell", "tell", "kill")):
                case "pay":
                    assert child.ask("7") == "written"
                    total += 7
                case "tell" if total:
                    assert float(child.ask("tell")) == total
                case "kill":
                    # While it reads the others, and buries those that were killed before.
                    child.begin_to_ask("tell")
                    time.sleep(chance.random() * 0.003)
                    child.kill()
                    children.remove(child)
                    kills += 1
            assert (paid(reader) or 0) == total
    assert (paid(reader), kills > STEPS // 10) == (total, True)
