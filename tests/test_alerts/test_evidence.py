"""An alert waits until something lasts, and sets no label that its series have."""

from dataclasses import replace

import pytest
from promql_parser import MatrixSelector, SubqueryExpr, VectorSelector, parse, walk

from alerts.evidence import hasty_in
from alerts.form import colliding_in
from alerts.model import (
    Comparison,
    Group,
    Guard,
    Record,
    Severity,
    Signal,
    Team,
    Threshold,
    Unit,
    records,
)
from alerts.rules import expressions
from alerts.semantics import Semantics
from alerts.signals import groups
from alerts.signals.monitoring import LONGEST_LOOK_BACK_DAYS
from app.core.catalogue import OPERATION_DURATION, OPERATION_ERRORS
from app.core.thresholds import Thresholds

ALL = groups(Thresholds())
_ERRORS, _CALLS = OPERATION_ERRORS.name, OPERATION_DURATION.count


def share(window: str) -> Record:
    """The share of failing calls over a window."""
    failing = f"sum by (job) (rate({_ERRORS}[{window}]))"
    return Record(
        f"job:things:ratio_rate{window}", f"{failing} / sum by (job) (rate({_CALLS}[{window}]))"
    )


SEEN = Record("job:things:seen5m", f"sum by (job) (changes({_ERRORS}[5m]))")


def group(pending: str, *guards: Guard, source: Record | None = None, **labels: str) -> Group:
    """One alert on the share of failing calls over five minutes."""
    threshold = Threshold(
        alert="ThingsFail",
        comparison=Comparison.ABOVE,
        value=0.5,
        severity=Severity.PAGE,
        team=Team.PLATFORM,
        summary="They fail",
        description="They fail.",
        action="Look.",
        pending=pending,
        guards=guards,
        labels=labels,
    )
    found = source or share("5m")
    signal = Signal("Things", "Good is 0.", Unit.RATIO, found, (threshold,))
    return Group("things", "Things.", (share("1m"),), (signal,))


def test_an_alert_that_fires_for_one_burst_is_named() -> None:
    (problem,) = hasty_in((group("4m"),))
    assert problem == (
        "group things: alert ThingsFail: pending 4m is shorter than the 300s over which its "
        "rates are taken, so one burst makes it fire; make it longer, or ask for two windows"
    )


def test_nor_is_a_share_over_hours_evidence_by_itself() -> None:
    # Where little else happens, one burst is most of an hour.
    (problem,) = hasty_in((group("30m", source=share("1h")),))
    assert "pending 30m is shorter than the 3600s" in problem


@pytest.mark.parametrize(
    "lasting",
    [
        group("5m"),
        group("30s", Guard(share("1m"), Comparison.ABOVE, 0.5)),
        group("30s", Guard(SEEN, Comparison.AT_LEAST, 2)),
        group("30s", source=Record("job:things:ratio", "up")),
    ],
    ids=["longer", "two windows", "seen twice", "no rate"],
)
def test_an_alert_that_waits_for_what_lasts_is_not(lasting: Group) -> None:
    assert hasty_in((lasting,)) == []


def test_our_own_alerts_wait() -> None:
    assert hasty_in(ALL) == []


def test_a_label_that_an_alert_takes_from_its_series_is_named() -> None:
    record = Record("job_severity:things:ratio_rate1h", "sum by (job, severity) (things)")
    of = group("5m", source=record)
    (problem,) = colliding_in((of,), Semantics([record], 15))
    assert problem == (
        "group things: alert ThingsFail: sets severity, which job_severity:things:ratio_rate1h has "
        "already; record it under another name, such as of_severity"
    )


def test_a_label_that_can_only_have_that_value_is_not() -> None:
    semantics = Semantics([share("5m")], 15)
    (signal,) = group("5m", job="a").signals
    assert colliding_in((replace(group("5m"), signals=(signal,)),), semantics) != []
    same = replace(signal, source='up{job="a"}')
    assert colliding_in((replace(group("5m"), signals=(same,)),), semantics) == []


def test_our_own_alerts_take_none() -> None:
    assert colliding_in(ALL, Semantics(records(ALL), 15)) == []


def test_no_rule_looks_further_back_than_samples_must_be_kept() -> None:
    """RetentionTooShort names the days that the rules read."""
    days = {
        name: back / 86400
        for one in ALL
        for name, expr in expressions(one)
        if (back := reach(expr))
    }
    assert max(days.values()) <= LONGEST_LOOK_BACK_DAYS
    assert max(days.values()) > LONGEST_LOOK_BACK_DAYS - 8


def reach(expr: str) -> float:
    """Seconds that an expression looks back at most: ranges, offsets and subqueries added up."""
    found = [0.0]

    def visit(node: object) -> None:
        match node:
            case MatrixSelector():
                offset = node.vector_selector.offset
                found.append(node.range.total_seconds() + _seconds(offset))
            case VectorSelector():
                found.append(_seconds(node.offset))
            case SubqueryExpr():
                inner = reach(str(node.expr))
                found.append(node.range.total_seconds() + _seconds(node.offset) + inner)

    walk(parse(expr), visit)
    return max(found)


def _seconds(offset: object) -> float:
    return offset.total_seconds() if hasattr(offset, "total_seconds") else 0.0
