"""A clock for one process that can be set while it runs.

Only the machine's owner could set the true one. A library that is loaded first answers what is
asked of the system's clock; what waits uses another clock, which nobody sets.
"""

import struct
import subprocess
from pathlib import Path

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile const long long *offset;

__attribute__((constructor)) static void map(void) {
  int file = open(getenv("SET_CLOCK"), O_RDONLY);
  offset = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*true_one)(clockid_t, struct timespec *);
  if (!true_one) *(void **)&true_one = dlsym(RTLD_NEXT, "clock_gettime");
  int result = true_one(clock, now);
  if (!result && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    now->tv_sec += *offset;
  return result;
}

time_t time(time_t *to) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (to) *to = now.tv_sec;
  return now.tv_sec;
}

int gettimeofday(struct timeval *now, void *zone) {
  struct timespec found;
  int result = clock_gettime(CLOCK_REALTIME, &found);
  now->tv_sec = found.tv_sec;
  now->tv_usec = found.tv_nsec / 1000;
  return result;
}
"""


def variables(folder: Path) -> dict[str, str]:
    """The environment of a process whose clock `to` sets in ``folder``. Needs a C compiler."""
    source, library = folder / "set_clock.c", folder / "set_clock.so"
    source.write_text(_SOURCE)
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return {"LD_PRELOAD": str(library), "SET_CLOCK": str(folder / "clock")}


def to(folder: Path, seconds: int) -> None:
    """Set the clock so far from the true time."""
    file = folder / "clock"
    # In place: the process has it mapped.
    with file.open("r+b" if file.exists() else "wb") as opened:
        opened.write(struct.pack("=q", seconds))
