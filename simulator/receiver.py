"""Keeps the notifications that Alertmanager delivers."""

import os
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from asgi_observability.event import FromCode
from asgi_observability.logging import get_logger
from simulator.events import NotificationNotStored, NotificationUnreadable

log = get_logger(__name__)

KEPT = 500
FILE = "notifications.jsonl"


class Alert(BaseModel):
    """One alert of a notification; further fields are kept."""

    model_config = ConfigDict(extra="allow")

    status: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Webhook(BaseModel):
    """What Alertmanager posts to a webhook; further fields are kept."""

    model_config = ConfigDict(extra="allow")

    status: str = ""
    alerts: list[Alert]


class ReceivedNotification(Webhook):
    """A notification and when it came, ISO 8601 in UTC."""

    received_at: str


class Receiver:
    """The latest KEPT notifications; with a folder they outlive the process."""

    def __init__(self, folder: Path | None) -> None:
        """Raises OSError when the folder can't be used."""
        self._kept: deque[ReceivedNotification] = deque(maxlen=KEPT)
        self._file = folder / FILE if folder else None
        if self._file:
            self._kept.extend(_read(self._file))
            # A line that was cut off must not run into the next one.
            self._rewrite(self._file)

    def keep(self, webhook: Webhook) -> None:
        """Add a notification."""
        received = ReceivedNotification.model_validate(
            webhook.model_dump() | {"received_at": datetime.now(UTC).isoformat()}
        )
        self._kept.append(received)
        if self._file is None:
            return
        try:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(_line(received))
        except OSError as error:
            # Refusing it would only make Alertmanager send it again.
            reason = FromCode(error.strerror or "")
            log.event(NotificationNotStored(file=FromCode(str(self._file)), reason=reason))

    def notifications(self) -> list[ReceivedNotification]:
        """What was received, oldest first."""
        return list(self._kept)

    def clear(self) -> None:
        """Forget all. Raises OSError."""
        self._kept.clear()
        if self._file:
            self._rewrite(self._file)

    def _rewrite(self, file: Path) -> None:
        new = file.with_suffix(".new")
        new.write_text("".join(map(_line, self._kept)), encoding="utf-8")
        os.replace(new, file)


def _line(notification: ReceivedNotification) -> str:
    return notification.model_dump_json() + "\n"


def _read(file: Path) -> Iterator[ReceivedNotification]:
    if not file.exists():
        return
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        try:
            yield ReceivedNotification.model_validate_json(line)
        except ValidationError:
            log.event(NotificationUnreadable(file=FromCode(str(file)), line=number))
