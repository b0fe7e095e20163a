"""What the commands say that ask a running stack, where it does not answer."""

import socket
from collections.abc import Callable, Iterable, Iterator

import pytest

from stack import simulation
from stack.backend import StackError

ASKED: dict[str, Callable[[str], Iterable[object]]] = {
    "faults": simulation.faults,
    "log-level": lambda url: simulation.log_level(url, "token", None, None, 60),
    "metrics": lambda url: simulation.metrics(url, "token"),
    "send": lambda url: simulation.send_sms(url, "token", "can I pay weekly?"),
}


@pytest.fixture
def hanging() -> Iterator[str]:
    """The address of what takes connections and never answers, as a stopped process does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("command", ASKED)
def test_what_hangs_is_given_up_soon_with_the_way_out(
    command: str, hanging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "ANSWERED_WITHIN_SECONDS", 0.05)
    with pytest.raises(StackError, match=r"hangs.*`make down` and then `make up`"):
        list(ASKED[command](hanging))


@pytest.mark.parametrize("command", ASKED)
def test_what_is_not_there_is_no_hanging_process(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(StackError, match=r"does not answer .*refused.*`make status`"):
        list(ASKED[command](f"http://127.0.0.1:{port}"))


def test_only_a_decision_is_waited_for() -> None:
    assert simulation.ANSWERED_WITHIN_SECONDS <= 10 < simulation.DECIDED_WITHIN_SECONDS
