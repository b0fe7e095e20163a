"""The folder that workers share when nobody has named one: found by the socket they listen on.

uvicorn, gunicorn and hypercorn open the socket before they start their workers, so all workers of
one server have the same socket, and no other process has it. Its number on this machine, with the
boot and the network it belongs to, names the folder.
"""

import hashlib
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

FORGOTTEN_SECONDS = 86400.0
"""A folder in which nobody has written for so long is removed."""


def found_folder(service: str, base: Path | None = None) -> Path | None:
    """The folder of the workers that share this process's inherited sockets; None without one.

    Call it before the process opens sockets of its own. The folder is in one that only this user
    may enter. Raises OSError, PermissionError where somebody else has put something in its place.
    """
    inherited = sorted(_inherited_sockets())
    if not inherited:
        return None
    named = "|".join((service, *map(str, _system()), *map(str, inherited)))
    folder = _own_folder(base or _base()) / hashlib.sha256(named.encode()).hexdigest()[:16]
    _remove_forgotten(folder.parent)
    return folder


def folder_of_its_own() -> Path:
    """A folder for one process and those that it forks. Raises OSError like `found_folder`."""
    parent = _own_folder(_base())
    _remove_forgotten(parent)
    return parent / f"process-{token_hex(8)}"


def listeners_beside(port: int) -> int:
    """How many other sockets of this user listen on ``port``: workers with one each, most likely.

    0 where the system does not tell.
    """
    own = {inode for inode, _ in _sockets()}
    others = set()
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with suppress(OSError, ValueError, IndexError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                row = line.split()
                is_listening, user = row[3] == "0A", int(row[7])
                at = int(row[1].rpartition(":")[2], 16)
                if is_listening and (at, user) == (port, os.geteuid()):
                    others.add(int(row[9]))
    return len(others - own) if others & own else 0


def _inherited_sockets() -> Iterator[int]:
    """The inodes of bound stream sockets that nobody is at the other end of."""
    of_parent = _sockets_of(os.getppid())
    for inode, sock in _sockets():
        with suppress(OSError):
            if of_parent is not None and inode not in of_parent:
                continue
            if sock.type == socket.SOCK_STREAM and sock.getsockname() and not _is_connected(sock):
                yield inode


def _sockets_of(pid: int) -> set[int] | None:
    """The inodes of a process's sockets; None where this process may not look."""
    try:
        descriptors = [*Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return None
    inodes = set()
    for each in descriptors:
        with suppress(OSError):
            about = each.stat()
            if stat.S_ISSOCK(about.st_mode):
                inodes.add(about.st_ino)
    return inodes


def _sockets() -> Iterator[tuple[int, socket.socket]]:
    with suppress(OSError):
        for name in os.listdir("/dev/fd"):
            with suppress(OSError, ValueError):
                about = os.fstat(int(name))
                if stat.S_ISSOCK(about.st_mode) and about.st_ino:
                    with socket.socket(fileno=os.dup(int(name))) as sock:
                        yield about.st_ino, sock


def _is_connected(sock: socket.socket) -> bool:
    if sock.family in (socket.AF_INET, socket.AF_INET6) and not sock.getsockname()[1]:
        return True  # not bound: nobody can listen on it
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _system() -> Iterator[object]:
    """What tells this boot, and this container, from others that see the same folders."""
    with suppress(OSError):
        yield Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    with suppress(OSError):
        yield Path("/proc/self/ns/net").stat().st_ino


def _base() -> Path:
    """In memory where there is such a place: what is counted there outlives no restart anyway."""
    for name in (os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm"):
        if name and os.access(name, os.W_OK | os.X_OK) and Path(name).is_dir():
            return Path(name)
    return Path(tempfile.gettempdir())


def _own_folder(base: Path) -> Path:
    folder = base / f"asgi-observability-{os.geteuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    # Anybody may write to a folder for temporary files, and so have made this one, or a link.
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a folder that only this user may enter; remove it")
    return folder


def _remove_forgotten(folder: Path) -> None:
    for each in folder.iterdir():
        with suppress(OSError):
            newest = max(entry.stat().st_mtime for entry in (each, *each.iterdir()))
            if time.time() - newest > FORGOTTEN_SECONDS:
                shutil.rmtree(each)
