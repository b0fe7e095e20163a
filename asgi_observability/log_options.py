"""What is logged and where it goes, as whoever configures the logging says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from asgi_observability import option_values
from asgi_observability.log_files import Keeping
from asgi_observability.log_sampling import Sampling
from asgi_observability.privacy import Mode


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is logged and where it goes.

    ``levels`` are those of single loggers, with what is below them. Lines go to standard output,
    for machines or for people, and to files in ``folder``; ``queue_bytes`` may wait for each.
    Workers that share standard output share ``workers_dir``, so that their lines don't mix.
    ``hash_key`` keeps the hashes of personal identifiers the same from process to process.
    ``exception_messages`` writes the messages of all exceptions, which may quote anything: for
    development. ``privacy`` says how much of undeclared lines is written, and ``safe_fields`` which
    of their fields hold nothing personal (`asgi_observability.privacy`).

    ``replace_handlers`` makes this the only log of the process: no handler of another one is left,
    and warnings, uncaught exceptions and SIGHUP (the files are opened anew) are taken as well.
    Without it everything that the host has set up stays as it is, and works as it did; what its
    loggers pass on to the root logger is written here, too. ``structlog`` takes in what is logged
    with structlog; ``replace_handlers`` does so where structlog is installed.
    """

    level: str = "info"
    levels: Mapping[str, str] = field(default_factory=dict)
    sampling: Sampling = field(default_factory=Sampling)
    stdout: Literal["json", "console", "off"] = "json"
    folder: Path | None = None
    keeping: Keeping = field(default_factory=Keeping)
    queue_bytes: int = 8 * 1024 * 1024
    workers_dir: Path | None = None
    hash_key: str = ""
    exception_messages: bool = False
    privacy: Mode = "strict"
    safe_fields: tuple[str, ...] = ()
    replace_handlers: bool = False
    structlog: bool = False

    def __post_init__(self) -> None:
        """A folder may be given as text. Raises ValueError or TypeError for what can't be one."""
        for name in ("folder", "workers_dir"):
            object.__setattr__(self, name, option_values.folder(name, getattr(self, name)))
        option_values.choice("stdout", self.stdout, ("json", "console", "off"))
        option_values.of_kind("hash_key", self.hash_key, str, "a text, or '' for none")
        if option_values.of_kind("queue_bytes", self.queue_bytes, int, "a number") <= 0:
            raise ValueError(f"queue_bytes={self.queue_bytes}: give a number above 0")
