"""Talking to the running stack: faults of the simulator, and one SMS from a tenant."""

import secrets
import textwrap
import time
from collections.abc import Iterator, Mapping
from json import dumps
from typing import Any

import httpx

from asgi_observability.nearest import did_you_mean
from stack import plain_http
from stack.backend import StackError

ANSWERED_WITHIN_SECONDS = 10.0
"""For all that waits for no upstream."""

DECIDED_WITHIN_SECONDS = 150.0
"""Longer than an upstream that times out at every attempt can hold an SMS up."""


def faults(receiver_url: str) -> list[dict[str, Any]]:
    """The simulator's faults, each with name, description and whether it is active."""
    found: list[dict[str, Any]] = _request("GET", f"{receiver_url}/faults").json()["faults"]
    return found


def switch_fault(receiver_url: str, name: str) -> None:
    """Switch a fault on, or all off with ``none``. Raises StackError for an unknown one."""
    if name == "none":
        _request("DELETE", f"{receiver_url}/faults")
        return
    known = [fault["name"] for fault in faults(receiver_url)]
    if name not in known:
        hint = did_you_mean(name, known, otherwise="`make fault` lists them")
        raise StackError(f"no fault {name!r}; {hint}")
    _request("PUT", f"{receiver_url}/faults/{name}")


def fault_table(receiver_url: str) -> str:
    """The faults as a table, active ones marked."""
    return "\n".join(
        f"{'*' if fault['active'] else ' '} {fault['name']:<34} {fault['description']}"
        for fault in faults(receiver_url)
    )


def send_sms(app_url: str, token: str, text: str) -> Iterator[str]:
    """Send ``text`` as a new tenant; yields lines that tell what became of it.

    Raises StackError after them if it failed.
    """
    number = secrets.randbelow(10**7)
    conversation = f"by-hand-{number:07}"
    sms = {
        "tenant_id": f"tenant-by-hand-{number:07}",
        "phone_number": f"+1555{number:07}",
        "content": text,
        "conversation_id": conversation,
    }
    headers = {"Authorization": f"Bearer {token}"}
    # A service that hangs is no slow decision.
    _request("GET", f"{app_url}/health")
    yield f"conversation  {conversation}"
    yield f"sent          the decision may take up to {DECIDED_WITHIN_SECONDS:.0f} s"
    began = time.monotonic()
    response = _decision(f"{app_url}/orchestrate/sms-received", sms, headers)
    seconds = time.monotonic() - began
    if response.is_error:
        error = response.json()["error"]
        raise StackError(f"{error['code']}: {error['message']}")
    status_url = f"{app_url}/orchestrate/workflow/{conversation}/status"
    report = _request("GET", status_url, headers=headers).json()
    yield f"correlation   {report['correlation_id']}"
    for step in report["steps"]:
        yield f"  {step['step']:<20} {step['status']:<10} {step['duration_ms']:>8.1f} ms"
    if report.get("response"):
        yield from textwrap.wrap(
            report["response"], 80, initial_indent="AI answered   ", subsequent_indent=" " * 14
        )
        yield f"confidence    {report['confidence']:.2f}"
    if report.get("error"):
        yield f"error         {report['error']}"
        yield f"try again     POST {app_url}/orchestrate/retry/{report['workflow_id']}"
    yield f"status        {report['status']} after {seconds:.2f} s"
    if report["status"] == "failed":
        raise StackError(f"the SMS failed: {report.get('error') or 'nobody knows why'}")


def metrics(app_url: str, token: str) -> str:
    """The orchestrator's JSON metrics, indented."""
    url = f"{app_url}/orchestrate/metrics"
    answer = _request("GET", url, headers={"Authorization": f"Bearer {token}"})
    if answer.is_error:
        raise StackError(f"{url} answers {answer.status_code}: {answer.text}")
    return dumps(answer.json(), indent=2)


def log_level(
    app_url: str, token: str, logger: str | None, level: str | None, seconds: float
) -> Iterator[str]:
    """Change a logger's level where one is named, and list what is in force. Raises StackError."""
    url, headers = f"{app_url}/orchestrate/log-levels", {"Authorization": f"Bearer {token}"}
    if logger and level == "reset":
        _require(_request("DELETE", f"{url}/{logger}", headers=headers))
    elif logger and level:
        wanted = {"level": level, "for_seconds": seconds}
        _require(_request("PUT", f"{url}/{logger}", wanted, headers))
    answer = _require(_request("GET", url, headers=headers)).json()
    for name, current in answer["levels"].items():
        change = answer["changes"].get(name)
        until = f"  until {change['until'][:19]} UTC, by {change['by']}" if change else ""
        if logger is None or name == logger or name.startswith(f"{logger}."):
            yield f"{name:<40} {current:<8}{until}"


def _require(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise StackError(answer.json()["error"]["message"])
    return answer


def _request(
    method: str, url: str, json: object = None, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    try:
        return plain_http.client().request(
            method, url, json=json, headers=headers, timeout=ANSWERED_WITHIN_SECONDS
        )
    except httpx.TimeoutException:
        raise StackError(
            f"{url} gives no answer in {ANSWERED_WITHIN_SECONDS:g} s: it hangs. "
            "`make down` and then `make up` starts it again"
        ) from None
    except httpx.HTTPError as error:
        raise _no_answer(url, error) from None


def _decision(url: str, sms: object, headers: Mapping[str, str]) -> httpx.Response:
    try:
        return plain_http.client().post(
            url, json=sms, headers=headers, timeout=DECIDED_WITHIN_SECONDS
        )
    except httpx.HTTPError as error:
        raise _no_answer(url, error) from None


def _no_answer(url: str, error: httpx.HTTPError) -> StackError:
    return StackError(f"{url} does not answer ({error}); does `make status` say up?")
