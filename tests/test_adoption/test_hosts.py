"""Adopting the layer costs few lines, and then it holds what it promises, on every kind of host."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from websockets import connect

from tests.length import LONG, only_long
from tests.not_empty import not_empty
from tests.test_adoption.hosting import (
    HOSTS,
    Host,
    changed_lines,
    environment_of,
    hosted,
    samples_of,
)
from tests.waiting import eventually, until

UVICORN = ("uvicorn", "after:app", "--port={port}", "--no-access-log")
GUNICORN = ("gunicorn", "app.after:app", "--bind=127.0.0.1:{port}", "--preload", "--workers=2")
GUNICORN_WORKER = "--worker-class=uvicorn_worker.UvicornWorker"
COUNT = "http_server_request_duration_seconds_count"
TELEPHONE = "+4915550100001"


@pytest.mark.parametrize(
    "host", sorted(HOSTS.rglob("before.py")), ids=lambda file: file.parent.name
)
def test_under_ten_lines_change(host: Path) -> None:
    assert 0 < changed_lines(host) < 10


@pytest.mark.parametrize("workers", [pytest.param(1, marks=only_long), 4 if LONG else 2])
async def test_every_request_of_every_worker_is_counted_once(workers: int, tmp_path: Path) -> None:
    async with hosted("billing", (*UVICORN, f"--workers={workers}"), tmp_path) as host:
        answers = await asyncio.gather(
            *(fresh(host, "GET", f"/invoices/{number}") for number in range(40)),
            *(fresh(host, "POST", f"/customers/{TELEPHONE}/reminders") for _ in range(10)),
            *(fresh(host, "GET", "/broken") for _ in range(6)),
            *(fresh(host, "GET", "/shares") for _ in range(4)),
            *(fresh(host, "GET", f"/nowhere/{number}") for number in range(5)),
        )
        expected = {
            ("GET", "/invoices/{number}", "200"): 40,
            ("POST", "/customers/{telephone}/reminders", "200"): 10,
            ("GET", "/broken", "500"): 6,
            ("GET", "/shares", "503"): 4,
            ("GET", "unmatched", "404"): 5,
        }

        async def all_are_told() -> bool:
            found = await requests(host)
            return {key: found.get(key) for key in expected} == expected

        # What another worker did since its last snapshot is told a second later.
        await eventually(all_are_told)
        for _ in range(2 * workers):
            assert await all_are_told()
        ids = [answer.headers["X-Correlation-ID"] for answer in answers]
        assert len(set(ids)) == len(ids)
        bodies = [
            (answer.json()["id"], answer.headers["X-Correlation-ID"])
            for answer in answers
            if answer.request.url.path.startswith(("/invoices", "/shares"))
        ]
        assert all(said == sent for said, sent in not_empty(bodies))
        await until(lambda: len(access_lines(host)) >= len(answers))
    lines = access_lines(host)
    assert sorted(str(line["correlation_id"]) for line in lines) == sorted(ids)
    unhandled = [line for line in host.lines if line["event"] == "unhandled_error"]
    broken = {a.headers["X-Correlation-ID"] for a in answers if a.request.url.path == "/broken"}
    assert {str(line["correlation_id"]) for line in unhandled} == broken
    assert len(unhandled) == len(broken)
    assert TELEPHONE[1:] not in str(host.lines)


async def test_the_shop_goes_on_as_it_was(tmp_path: Path) -> None:
    """Its package is called app; its logs, metrics and hook are its own; every path is taken."""
    printed = []
    for module in ("before", "after"):
        command = ("uvicorn", f"app.{module}:app", "--port={port}", "--no-access-log")
        async with hosted("shop", command, tmp_path, X_Customer="somebody") as host:
            for number in range(5):
                headers = {"X-Correlation-ID": f"order-{number}-of-1c9b"}
                answer = await host.client.post("/orders/cash", headers=headers)
                assert answer.json() == {"payment": "cash"}
            assert (await host.client.get("/metrics/all")).json() == {"page": 11}
            strangers = httpx.AsyncClient(base_url=host.client.base_url)
            assert (await strangers.post("/orders/cash")).status_code == 401
            scrape = await strangers.get("/metrics")
            await strangers.aclose()
        printed.append([line for line in host.printed if line.startswith("SHOP")])
    assert printed[0] == printed[1]
    assert printed[0] == ["SHOP INFO shop ordered by cash"] * 5
    samples = samples_of(scrape.text)
    assert samples["shop_orders_total", (("payment", "cash"),)] == 5
    assert samples["shop_orders_created", (("payment", "cash"),)] > 0
    assert samples["shop_stock", ()] == 41
    assert sum(v for (name, labels), v in samples.items() if name == COUNT and "401" in str(labels))


async def test_a_preloaded_shop_counts_in_every_fork(tmp_path: Path) -> None:
    command = (*GUNICORN, GUNICORN_WORKER)
    async with hosted("shop", command, tmp_path, X_Customer="somebody") as host:
        await asyncio.gather(*(fresh(host, "POST", "/orders/card") for _ in range(60)))

        async def all_are_told() -> bool:
            found, samples = await requests(host), await host.samples()
            orders = samples.get(("shop_orders_total", (("payment", "card"),)))
            return (found.get(("POST", "/orders/{payment}", "200")), orders) == (60, 60)

        await eventually(all_are_told)
        for _ in range(6):
            assert await all_are_told()


async def test_mounts_sub_apps_middleware_streams_and_sockets_are_told_apart(
    tmp_path: Path,
) -> None:
    async with hosted("library", UVICORN, tmp_path) as host:
        client = host.client
        queue = await client.get("/desks/3/queue", headers={"Accept-Encoding": "gzip"})
        assert queue.headers["Content-Encoding"] == "gzip"
        assert queue.json()["shelves"] == ["all"]
        assert queue.headers["X-Stamp"] == queue.headers["X-Correlation-ID"]
        for _ in range(3):
            await client.get("/city/shelves/books/978-3-16")
            await client.get(f"/city/readers/{TELEPHONE}/page")
            await client.get("/city/static/before.py")
            await client.get("/city/static/none.py")
            assert (await client.get("/desks/3/news")).text.count("data:") == 3
        port = client.base_url.port
        async with connect(f"ws://127.0.0.1:{port}/chat/garden") as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"
            await socket.send("bye")
            await socket.wait_closed()
        found = await requests(host)
        assert found["GET", "/desks/{desk}/queue", "200"] == 1
        assert found["GET", "/shelves/books/{isbn}", "200"] == 3
        assert found["GET", "/readers/{telephone}/page", "200"] == 3
        assert found["GET", "/static/{path}", "200"] == 3
        assert found["GET", "/static/{path}", "404"] == 3
        assert found["GET", "/desks/{desk}/news", "200"] == 3
        samples = await host.samples()
        streams = {
            dict(labels)["http_route"]: value
            for (name, labels), value in samples.items()
            if name == "http_server_stream_duration_seconds_count" and value
        }
        assert streams == {"/desks/{desk}/news": 3}
        sockets = [labels for name, labels in samples if name.startswith("websocket_")]
        assert "/chat/{room}" in str(not_empty(sockets))
        assert TELEPHONE[1:] not in str(samples)
    assert TELEPHONE[1:] not in str(not_empty(host.lines))
    traces = [line.get("trace_id") for line in not_empty(access_lines(host))]
    assert all(traces)
    assert len(set(traces)) == len(traces)


@pytest.mark.parametrize(("way", "tasks"), [("fork", 12), ("pool", 12), ("cron", 0)])
def test_what_short_lived_processes_did_is_in_the_file(
    way: str, tasks: int, tmp_path: Path
) -> None:
    textfile = tmp_path / "crew.prom"
    subprocess.run(
        [sys.executable, "after.py", way, str(tasks)],
        cwd=HOSTS / "crew",
        env={**os.environ, **environment_of(tmp_path), "TEXTFILE": str(textfile)},
        check=True,
        capture_output=True,
    )
    samples = samples_of(textfile.read_text())
    done = tasks or 1
    for wanted in ("tasks_total", "operation_duration_seconds_count"):
        assert sum(value for (name, _), value in samples.items() if name == wanted) == done


async def fresh(host: Host, method: str, path: str) -> httpx.Response:
    """An answer over a connection of its own, so that every worker has some to give."""
    async with httpx.AsyncClient(
        base_url=host.client.base_url, headers=host.client.headers, timeout=120
    ) as client:
        return await client.request(method, path)


async def requests(host: Host) -> dict[tuple[str, str, str], float]:
    """How many requests were counted, by method, route and status."""
    names = ("http_request_method", "http_route", "http_response_status_code")
    return {
        tuple(dict(labels)[each] for each in names): value  # type: ignore[misc]
        for (name, labels), value in (await host.samples()).items()
        if name == COUNT and value
    }


def access_lines(host: Host) -> list[dict[str, object]]:
    """The layer's lines about requests, without those of the test's own looking."""
    return [
        line
        for line in host.lines
        if line["event"] == "request" and line["route"] not in ("/", "/metrics")
    ]
