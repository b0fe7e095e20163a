"""What a surface says at a moment, in a few words, and the whole of it as evidence."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import httpx

from tests.outages import overview
from tests.outages.bundle import Bundle

METRICS = "/orchestrate/metrics"

# What the page shows, as somebody sees it: texts by the id of their element.
_PAGE = """() => {
  const text = (id) => document.getElementById(id)?.textContent.trim();
  const rows = (id) => [...document.querySelectorAll(`#${id} dt`)].map((dt) =>
    [dt.textContent, dt.nextElementSibling.textContent, dt.nextElementSibling.className]);
  const bars = [...document.querySelectorAll("#chart rect")];
  const names = ["connection", "health", "health-note", "volume", "volume-note", "approval", "time",
    "time-note", "escalations", "today"];
  return {
    ...Object.fromEntries(names.map((id) => [id, text(id)])),
    health_colour: document.getElementById("health")?.className,
    is_old: document.getElementById("figures")?.classList.contains("old"),
    rows: ["approval-list", "time-list", "escalations-list", "today-list", "health-list"]
      .flatMap(rows),
    bars: bars.filter((bar) =>
      Number(bar.getAttribute("height")) > 0 && bar.getAttribute("class") !== "unknown").length,
    unknown: bars.filter((bar) => bar.getAttribute("class") === "unknown").length,
    chart: document.getElementById("chart")?.getAttribute("aria-label"),
  };
}"""


class Surface(StrEnum):
    """Where somebody looks."""

    JSON = "JSON endpoint"
    PAGE = "live page"
    OVERVIEW = "overview"
    MESSAGE = "message"
    STATUS = "make status"


@dataclass(slots=True)
class Sight:
    """What was seen of one outage: when, in words by surface, and the evidence."""

    outage: str
    seconds: float
    """Since the trouble began."""

    day: str = field(default_factory=lambda: f"{datetime.now(UTC):%d %B %Y}")
    words: dict[Surface, list[str]] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)

    def written(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=1, default=str)


async def look(bundle: Bundle, outage: str, since: datetime) -> Sight:
    """Look at every surface, one after the other; the trouble began at ``since``."""
    sight = Sight(outage, (datetime.now(UTC) - since).total_seconds())
    sight.words[Surface.JSON] = await _json(bundle, sight.evidence)
    page = await bundle.page.evaluate(_PAGE)
    sight.evidence["page"] = page
    sight.words[Surface.PAGE] = [*_page(page)]
    parts = await asyncio.to_thread(overview.shown, bundle.stack.addresses.prometheus)
    sight.evidence["overview"] = [asdict(part) for part in parts]
    sight.words[Surface.OVERVIEW] = overview.words(parts)
    sight.words[Surface.MESSAGE] = await _messages(bundle, since, sight.evidence)
    status = await asyncio.to_thread(bundle.stack.run, "status")
    sight.evidence["status"] = {"code": status.returncode, "text": status.stdout + status.stderr}
    sight.words[Surface.STATUS] = [f"exit code {status.returncode}", *_lines(status.stdout)]
    return sight


def _lines(text: str) -> Iterator[str]:
    """The lines of `make status` that say how it is, without addresses and advice."""
    _, *lines = text.splitlines()
    for line in lines:
        if not line.strip() or line.startswith(("without Grafana", "make preview", "Grafana:")):
            continue
        yield " ".join(word for word in line.split() if not word.startswith("http://127.0.0.1"))


async def _json(bundle: Bundle, evidence: dict[str, Any]) -> list[str]:
    try:
        answer = await bundle.get(METRICS)
    except httpx.HTTPError as error:
        evidence["json"] = repr(error)
        return ["no answer: connection refused"]
    evidence["json"] = {"status": answer.status_code, "body": answer.json()}
    if not answer.is_success:
        return [f"{answer.status_code}: {answer.json()['error']['message']}"]
    relatives = (
        (f"{METRICS}/series", {"metrics": "sms.received", "from": "-10m", "step": "1m"}),
        (METRICS, {"metrics": "sms.received,http.availability", "from": "-1h"}),
        ("/health/dependencies", {}),
        ("/metrics", {}),
    )
    for path, parameters in relatives:
        its = await bundle.get(path, **parameters)
        evidence[f"{path} {parameters}"] = {"status": its.status_code, "body": its.text[:200_000]}
    dependencies = await bundle.get("/health/dependencies")
    found = [*_overview(answer.json())]
    up = dependencies.json()
    down = [f"{n} {d['reason']}" for n, d in up["dependencies"].items() if not d["up"]]
    found.append(
        f"/health/dependencies {dependencies.status_code}: {up['status']}"
        + (f", {'; '.join(down)}" if down else "")
    )
    return found


def _overview(body: dict[str, Any]) -> Iterator[str]:
    """The figures that a manager's program would take."""
    health, hour = body["health"], body["last_hour"]
    throughput, queue = body["throughput"], body["approval_queue"]
    yield f"200, complete {json.dumps(body['complete'])}, health {health['status']}"
    store = health["rollup_store"]
    if store["state"] != "ok" or store["reason"]:
        yield f"rollup_store {store['state']}: {store['reason']}"
    yield f"last_hour.sms_received {json.dumps(hour and hour['sms_received'])}"
    names = ("per_minute", "per_hour", "per_day", "baseline_per_hour")
    values = [f"{name} {json.dumps(throughput and throughput[name])}" for name in names]
    yield f"throughput {', '.join(values)}"
    yield f"approval_queue {json.dumps(queue)}"
    resources = body["resources"]
    yield "resources " + json.dumps(
        resources and {name: resources[name] for name in ("in_flight", "cpu_cores", "memory_bytes")}
    )
    limits = body["thresholds"]
    for state in ("critical", "warning", "no_data"):
        if names_in := [each["name"] for each in limits or () if each["state"] == state]:
            yield f"thresholds {state}: {', '.join(names_in)}"
    for state in ("failing", "unknown", "unused"):
        dependencies = health["dependencies"].items()
        if names_in := [name for name, each in dependencies if each["state"] == state]:
            yield f"dependencies {state}: {', '.join(names_in)}"
    for state in ("critical", "warning"):
        if names_in := [each["name"] for each in body["slos"] or () if each["state"] == state]:
            yield f"slos {state}: {', '.join(names_in)}"


def _page(page: dict[str, Any]) -> Iterator[str]:
    yield f"{page['connection']}" + (" (all marked as old)" if page["is_old"] else "")
    colour = page["health_colour"].removeprefix("big").strip() or "no colour"
    yield f"Health: {page['health']} ({colour}); {page['health-note']}"
    chart = f"{page['bars']} minutes with messages, {page['unknown']} unknown"
    yield f"Messages in the last hour: {page['volume']}; {page['volume-note']}; {chart}"
    yield f"Answered without a manager: {page['approval']}"
    yield f"Time to answer: {page['time']}"
    yield f"Open escalations: {page['escalations']}; Today: {page['today']}"
    for name, value, mark in page["rows"]:
        if (
            mark in ("critical", "warning")
            or "wait" in name
            or name.startswith(("available", "answered"))
        ):
            yield f"{name}: {value}"


async def _messages(bundle: Bundle, since: datetime, evidence: dict[str, Any]) -> list[str]:
    try:
        found = await bundle.notifications()
    except httpx.HTTPError as error:
        return [f"the receiver does not answer: {error!r}"]
    evidence["messages"] = found
    said: dict[str, None] = {}
    for notification in found:
        if datetime.fromisoformat(notification["received_at"]) < since:
            continue
        for alert in notification["alerts"]:
            is_earlier = datetime.fromisoformat(alert["startsAt"]) < since
            if alert["status"] != "firing" and is_earlier:
                continue  # of an outage before
            severity, name = alert["labels"].get("severity"), alert["labels"]["alertname"]
            summary = alert["annotations"].get("summary", "")
            state = "" if alert["status"] == "firing" else f" {alert['status']}"
            said[f"{severity}{state} {name}: {summary}"] = None
    return list(said) or ["none"]
