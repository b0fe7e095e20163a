"""What the JSON endpoint says about hours and days."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from app.core.config import Settings
from app.core.instrumentation import Instruments
from app.services import metrics_service as module
from app.services.metrics_service import MetricsService
from app.services.rollups import Total


class RecordedRollups:
    """Remembers the ranges that were asked for."""

    def __init__(self, totals: Mapping[str, Total]) -> None:
        self._totals = totals
        self.ranges: list[tuple[int, int]] = []

    async def totals(self, since: int, until: int) -> Mapping[str, Total]:
        self.ranges.append((since, until))
        return self._totals


@pytest.mark.parametrize(
    ("zone", "now", "midnight"),
    [
        ("UTC", "2026-11-23T13:37:42+00:00", "2026-11-23T00:00:00+00:00"),
        ("Europe/Berlin", "2026-11-22T23:30:00+00:00", "2026-11-22T23:00:00+00:00"),
        # The clock goes back in Berlin: the day has 25 hours.
        ("Europe/Berlin", "2026-10-25T22:59:00+00:00", "2026-10-24T22:00:00+00:00"),
        # Forward: 23 hours.
        ("Europe/Berlin", "2026-03-29T21:59:00+00:00", "2026-03-28T23:00:00+00:00"),
        # A day that begins at one o'clock, because the clock goes forward at midnight.
        ("America/Santiago", "2026-09-06T12:00:00+00:00", "2026-09-06T04:00:00+00:00"),
    ],
)
async def test_today_begins_at_midnight_of_the_zone(
    monkeypatch: pytest.MonkeyPatch, zone: str, now: str, midnight: str
) -> None:
    timestamp = datetime.fromisoformat(now).timestamp()
    monkeypatch.setattr(module.time, "time", lambda: timestamp)
    rollups = RecordedRollups({})
    await MetricsService(Settings(timezone=zone), Instruments(), rollups).answer()  # type: ignore[arg-type]
    hour, day = rollups.ranges
    assert hour[1] - hour[0] == 3600
    assert hour[1] - timestamp <= 60
    assert datetime.fromtimestamp(day[0], ZoneInfo("UTC")).isoformat() == midnight


async def test_the_figures_are_sums_over_the_parts_of_a_series() -> None:
    totals = {
        module.SMS_RECEIVED: Total(10),
        f"{module.SMS_PROCESSED}:auto_sent": Total(6, 3.0),
        f"{module.SMS_PROCESSED}:failed": Total(2, 5.0),
        f"{module.AI_RESPONSES}:auto_sent": Total(6, 5.5),
        f"{module.AI_RESPONSES}:queued": Total(2, 1.5),
        f"{module.ESCALATIONS}:no_response:medium:auto": Total(1),
        f"{module.PAYMENT_PLANS}:valid": Total(3),
        f"{module.PAYMENT_PLANS}:invalid": Total(1),
    }
    service = MetricsService(Settings(), Instruments(), RecordedRollups(totals))  # type: ignore[arg-type]
    answer = await service.answer()
    assert answer.model_dump() == {
        "last_hour": {
            "sms_received": 10,
            "ai_responses": 8,
            "auto_approval_rate": 0.75,
            "avg_response_time_ms": 1000,
        },
        "today": {"total_messages": 10, "escalations": 1, "payment_plans": 4},
    }


def test_a_broken_rollup_does_not_reach_the_caller() -> None:
    instruments = Instruments()
    service = MetricsService(Settings(), instruments, None)  # type: ignore[arg-type]
    service.sms_received()
    errors = instruments.registry.get_sample_value("instrumentation_errors_total")
    assert errors == 1
