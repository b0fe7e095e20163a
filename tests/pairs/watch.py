"""What the pairs look at, and whom they tell: a service that goes down, and a receiver."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from alerts.signals.scraping import NEEDED

INCIDENT = "ServiceDown"
"""The page that is told of the incident: nothing of the service can be scraped."""

HELD_BACK = ("TargetDown", "Symptom")
"""What would be told of the service as well, were it not for the incident."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one Alertmanager told the receiver of one group, and when, by the monotonic clock."""

    at: float
    sender: str
    """Its address."""
    receiver: str
    group: str
    alert: str
    job: str
    firing: frozenset[str]
    """The fingerprints of what fires."""

    @property
    def about(self) -> str:
        """The alert and its job."""
        return f"{self.alert} {self.job}"

    @property
    def says_over(self) -> bool:
        """Whether nothing of the group fires any more."""
        return not self.firing


@dataclass
class Watch:
    """The service as each Prometheus sees it, and the messages in the order of their arrival."""

    unseen_by: set[str] = field(default_factory=set)
    """The replicas that can't scrape the service."""
    answers_after: float = 0
    """Seconds that the receiver takes to answer."""
    messages: list[Message] = field(default_factory=list)

    def app(self) -> Starlette:
        """Both on one address."""
        return Starlette(
            routes=[
                Route("/{replica}/metrics", self._scraped),
                Route("/alerts", self._told, methods=["POST"]),
            ]
        )

    def of_incident(self, since: float) -> list[Message]:
        """What was told of the incident since then."""
        return [each for each in self.messages if each.alert == INCIDENT and each.at >= since]

    def of_held_back(self, since: float) -> list[Message]:
        """What was told since then although the incident holds it back."""
        return [
            each
            for each in self.messages
            if each.alert in HELD_BACK and each.job == "orchestrator" and each.at >= since
        ]

    def repeated(self, since: float) -> Iterator[Message]:
        """Messages of other groups since then that say what the one before them said."""
        last: dict[tuple[str, str], frozenset[str]] = {}
        for each in self.messages:
            key = each.receiver, each.group
            is_repeated = each.at >= since and last.get(key) == each.firing
            if is_repeated and each.alert != INCIDENT:
                yield each
            last[key] = each.firing

    async def _scraped(self, request: Request) -> Response:
        if request.path_params["replica"] in self.unseen_by:
            return Response(status_code=503)
        return PlainTextResponse("".join(f"{name} 1\n" for name in NEEDED))

    async def _told(self, request: Request) -> Response:
        told = await request.json()
        labels = told["groupLabels"]
        firing = (each for each in told["alerts"] if each["status"] == "firing")
        message = Message(
            at=time.monotonic(),
            sender=told["externalURL"],
            receiver=told["receiver"],
            group=told["groupKey"],
            alert=labels.get("alertname", ""),
            job=labels.get("job", ""),
            firing=frozenset(each["fingerprint"] for each in firing),
        )
        self.messages.append(message)
        await asyncio.sleep(self.answers_after)
        return Response()
