"""Workers that share a socket find each other though nobody has named a folder."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from asgi_observability import catalogue
from asgi_observability.found_folder import found_folder
from asgi_observability.workers import Workers
from tests.test_asgi_observability.counting_process import PAID, Child, counted, told


@contextmanager
def serving_socket(*, shared: bool = False) -> Iterator[socket.socket]:
    """What a server opens before it starts its workers."""
    with socket.socket() as sock:
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", 0))
        yield sock


def worker(do: Callable[[], object]) -> Child:
    return Child(lambda: lambda _: str(do()))


def answer(do: Callable[[], object]) -> str:
    """What ``do`` gives in a worker."""
    child = worker(do)
    try:
        return child.ask()
    finally:
        child.kill()


def test_workers_of_one_server_find_one_folder_and_others_another(tmp_path: Path) -> None:
    def find() -> object:
        return found_folder("billing", tmp_path)

    with serving_socket():
        first, second = answer(find), answer(find)
        assert first == second != "None"
        assert answer(lambda: found_folder("other", tmp_path)) != first
    with serving_socket():
        assert answer(find) not in (first, "None")
    assert (tmp_path / f"asgi-observability-{os.geteuid()}").stat().st_mode & 0o777 == 0o700


def test_a_socket_of_the_process_s_own_is_nobody_else_s(tmp_path: Path) -> None:
    def find() -> object:
        with serving_socket():
            return found_folder("billing", tmp_path)

    assert answer(find) == "None"


def test_a_link_that_somebody_has_put_in_its_place_is_not_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (tmp_path / f"asgi-observability-{os.geteuid()}").symlink_to(theirs)
    with serving_socket():
        said = answer(lambda: found_folder("billing", tmp_path))
    assert "PermissionError" in said
    assert not [*theirs.iterdir()]


def test_workers_without_a_common_folder_are_told() -> None:
    with serving_socket(shared=True) as sock:
        sock.listen()
        port = sock.getsockname()[1]
        own = Workers(counted(2), None)
        own.port = port
        assert told(own.families(), catalogue.PROCESS_WORKERS_APART) == 0

        def listen() -> str:
            with socket.socket() as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                other.bind(("127.0.0.1", port))
                other.listen()
                beside.append(other.dup())
            return "listens"

        beside: list[socket.socket] = []
        child = worker(listen)
        assert child.ask() == "listens"
        families = own.families()
        child.kill()
    assert told(families, PAID, "card") == 2
    assert told(families, catalogue.PROCESS_WORKERS_APART) == 1
