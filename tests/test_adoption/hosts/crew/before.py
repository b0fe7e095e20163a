"""A worker of a queue that forks for each task, and a cron script: no HTTP, no asyncio."""

import multiprocessing
import os
import sys


def task(number: int) -> None:
    """One task."""
    print(f"task {number}", file=sys.stderr)


def forked(tasks: int) -> None:
    """Each task in a child of its own, as forking workers do."""
    for number in range(tasks):
        child = os.fork()
        if not child:
            task(number)
            os._exit(0)
        os.waitpid(child, 0)


def pooled(tasks: int) -> None:
    """The tasks in two children of multiprocessing."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(task, range(tasks))
        pool.close()
        pool.join()


if __name__ == "__main__":
    {"fork": forked, "pool": pooled, "cron": task}[sys.argv[1]](int(sys.argv[2]))
