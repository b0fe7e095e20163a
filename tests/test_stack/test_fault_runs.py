"""The parts of `make test-faults` that need no stack: histories, expectations, verdicts."""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from alerts.paths import RULES
from alerts.signals.slo import burn_rate
from prometheus_tools.toolchain import locate
from simulator.faults import FAULTS
from tests.not_empty import not_empty
from tests.test_stack.faults import history, levels, results, table, verdict
from tests.test_stack.faults.answers import Labels, Message, Monitoring, Notice, Spell
from tests.test_stack.faults.expected import EXPECTED, Expected, mend
from tests.test_stack.faults.levels import Level
from tests.test_stack.faults.reach import Reach, reaches, rules, with_short_memory
from tests.test_stack.faults.run import Observation

HOUR, WEEK = 3600, 7 * 24 * 3600
END = 1_800_000_000


def rule_files(*exprs: str, kind: str = "record") -> dict[str, Any]:
    """One rule file that holds ``exprs``."""
    return {"a.yml": {"groups": [{"name": "a", "rules": [{kind: "r", "expr": e} for e in exprs]}]}}


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("sum(rate(a_total[5m]))", []),
        ('sum(rate(a_total{b="c"}[1h]))', [Reach('a_total{b="c"}', HOUR, True)]),
        ("max_over_time(a[1h]) > a offset 1w", [Reach("a", WEEK, False)]),
        ("a > avg_over_time(a[1h] offset 1w)", [Reach("a", WEEK + HOUR, False)]),
        ("avg_over_time(sum(rate(a[5m]))[1h:1m])", [Reach("a", HOUR + 300, True)]),
        ("rate(a[5m]) > 0 and changes(a[1h]) > 0", [Reach("a", HOUR, True)]),
        ('last_over_time(ALERTS{alertname="A"}[1h])', []),
    ],
)
def test_how_far_back_a_rule_reads(expr: str, found: list[Reach]) -> None:
    assert reaches(rule_files(expr, kind="alert")) == found


@pytest.mark.parametrize(
    ("expr", "short"),
    [
        ("sum(rate(a[1h]))", "sum(rate(a[5m]))"),
        ("rate(a[1m])", "rate(a[1m])"),
        ("increase(a[1h] offset 1w) / 2", "(12 * increase(a[5m])) / 2"),
        ("a - a offset 1w", "a - a"),
        ("sum_over_time(a[1h:1m])", "(3 * sum_over_time((a)[5m:15s]))"),
        (
            "avg_over_time(increase(a[1h])[1d:1h])",
            "avg_over_time(((12 * increase(a[5m])))[5m:15s])",
        ),
    ],
)
def test_a_rule_with_a_short_memory(expr: str, short: str) -> None:
    (group,) = with_short_memory(rule_files(expr))["a.yml"]["groups"]
    assert group["rules"] == [{"record": "r", "expr": short}]


def test_alerts_are_left_out_where_memory_is_short() -> None:
    assert with_short_memory(rule_files("a > 1", kind="alert")) == {}


def test_the_committed_rules_can_be_shortened() -> None:
    shortened = with_short_memory(rules(RULES))
    assert shortened
    assert reaches(shortened) == []


def test_history_is_what_prometheus_reads(tmp_path: Path) -> None:
    past = [
        Level({"__name__": "level", "instance": "APP_PORT"}, 0.25, False, HOUR),
        Level({"__name__": "a:b", "text": 'a "b" \\'}, 7, False, 5 * WEEK),
        Level({"__name__": "things_total"}, 0.5, True, HOUR),
        Level({"__name__": "job:seldom:sum"}, 3, False, HOUR),
    ]
    data = tmp_path / "prometheus"
    history.write(past, END, data, {"APP_PORT": "127.0.0.1:9"}, {"job:seldom:sum": 300})
    # Without one promtool does not read the blocks.
    (data / "wal").mkdir()
    command = [str(locate("promtool").path), "tsdb", "dump", str(data)]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    series: dict[str, list[tuple[int, float]]] = {}
    for line in dump.splitlines():
        labels, value, moment = line.rsplit(maxsplit=2)
        series.setdefault(labels, []).append((int(moment) // 1000, float(value)))
    assert set(series) == {
        '{__name__="level", instance="127.0.0.1:9"}',
        '{__name__="a:b", text="a \\"b\\" \\\\"}',
        '{__name__="things_total"}',
        '{__name__="job:seldom:sum"}',
    }
    seldom = [moment for moment, _ in series.pop('{__name__="job:seldom:sum"}')]
    assert {b - a for a, b in pairwise(seldom)} == {300}
    for samples in not_empty(series.values()):
        times = [moment for moment, _ in samples]
        assert times[-1] == END
        # A sample is good for five minutes.
        assert max(b - a for a, b in pairwise(times)) < 300
    assert {value for _, value in series['{__name__="level", instance="127.0.0.1:9"}']} == {0.25}
    constant = series['{__name__="a:b", text="a \\"b\\" \\\\"}']
    assert constant[0][0] <= END - 5 * WEEK
    counted = dict(series['{__name__="things_total"}'])
    assert counted[END] - counted[END - 600] == 300


def test_levels_are_kept_for_the_same_rules_for_an_hour(tmp_path: Path) -> None:
    file, read = tmp_path / "levels.json", [Reach("a", HOUR, True)]
    kept = [Level({"__name__": "a", "job": "node"}, 0.5, True, HOUR)]
    assert levels.load(file, read) is None
    levels.save(kept, read, file)
    assert levels.load(file, read) == kept
    assert levels.load(file, [Reach("a", WEEK, True)]) is None
    os.utime(file, (0, 0))
    assert levels.load(file, read) is None


def test_a_past_in_which_a_budget_burns_is_not_healthy() -> None:
    """It was learned on a machine that had no time for the stack."""
    slow, fine = (
        Level({"__name__": burn_rate("6h").name, "slo": slo}, value, False, HOUR)
        for slo, value in (("sms_latency", 2.31), ("availability", 0.9))
    )
    assert levels.unhealthy([slow, fine]) == ["sms_latency 2.3 times as fast as allowed"]


def test_every_fault_has_an_entry() -> None:
    assert [mend(fault) for fault in not_empty(FAULTS) if fault not in EXPECTED] == []
    assert set(EXPECTED) <= set(FAULTS)


def test_each_alert_that_is_expected_is_one() -> None:
    alerts = {
        rule.get("alert")
        for file in rules(RULES).values()
        for group in file["groups"]
        for rule in group["rules"]
    }
    for fault, expected in not_empty(EXPECTED.items()):
        assert expected.notified | expected.inhibited | expected.possible <= alerts, fault
        assert not expected.notified & expected.inhibited, fault


def alert(name: str) -> Labels:
    return frozenset({("alertname", name), ("job", "orchestrator")})


def messages(receiver: str, names: Iterable[str], *, resolved: Iterable[str]) -> list[Message]:
    """A message for each alert, and another when it is over."""
    ends = [
        Message(receiver, "resolved", 1400, (notice(name, "resolved", 1400),)) for name in resolved
    ]
    return [
        Message(receiver, "firing", 1070, (notice(name, "firing", 1070),)) for name in names
    ] + ends


def notice(name: str, status: str, at: float) -> Notice:
    return Notice(alert(name), status, at)


def observation(
    *spells: tuple[str, float, float],
    pages: tuple[str, ...] = (),
    tickets: tuple[str, ...] = (),
    inhibited: tuple[str, ...] = (),
    remaining: tuple[str, ...] = (),
) -> Observation:
    """A fault that was on from second 1000 to second 1300."""
    over = [name for name in (*pages, *tickets) if name not in remaining]
    return Observation(
        "ai_down",
        1000,
        off=1300,
        spells=[Spell(alert(name), began, ended) for name, began, ended in spells],
        messages=messages("page", pages, resolved=set(pages) & set(over))
        + messages("ticket", tickets, resolved=set(tickets) & set(over)),
        inhibited=frozenset(map(alert, inhibited)),
        remaining=frozenset(map(alert, remaining)),
        load=0.5,
        monitoring=Monitoring(
            scrapes=400, scrapes_failed=1, slowest_scrape=0.26, evaluations_missed=0
        ),
    )


PAGE_AND_TICKET = Expected("Page", tickets=frozenset({"Ticket"}), inhibited=frozenset({"Held"}))
AS_EXPECTED = (("Page", 1060, 1330), ("Ticket", 1080, 1330), ("Held", 1090, 1330))
TOLD = {"pages": ("Page",), "tickets": ("Ticket",), "inhibited": ("Held",)}


def test_what_is_as_expected_is_no_problem() -> None:
    seen = observation(*AS_EXPECTED, **TOLD)
    assert verdict.problems(seen, PAGE_AND_TICKET) == []
    assert verdict.table(verdict.rows(seen, PAGE_AND_TICKET)) == [
        "| fault → alerts | fires | notified | resolved | remark    |",
        "|----------------|------:|---------:|---------:|-----------|",
        "| ai_down        |       |          |          |           |",
        "| → Page         |    60 |       70 |      100 |           |",
        "| → Ticket       |    80 |       70 |      100 |           |",
        "| → Held         |    90 |          |          | inhibited |",
    ]
    assert (
        verdict.entry(seen)
        == '    "ai_down": _of("Page", tickets=("Ticket",), inhibited=("Held",)),'
    )


def test_one_incident_is_one_page() -> None:
    """Neither does a second alert call, nor the same one twice."""
    more = observation(*AS_EXPECTED, **TOLD | {"pages": ("Page", "Ticket"), "tickets": ()})
    assert verdict.problems(more, PAGE_AND_TICKET) == ['Ticket: paged Ticket{job="orchestrator"}']
    twice = observation(*AS_EXPECTED, **TOLD | {"pages": ("Page", "Page")})
    assert verdict.problems(twice, PAGE_AND_TICKET) == [
        'Page: paged 2 times Page{job="orchestrator"}'
    ]
    never = observation(*AS_EXPECTED, **TOLD | {"pages": (), "tickets": ("Page", "Ticket")})
    assert verdict.problems(never, PAGE_AND_TICKET) == ['Page: not paged Page{job="orchestrator"}']


def test_the_table_says_whom_what_when_and_how_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "FAULTS", ("ai_down", "ai_errors"))
    monkeypatch.setattr(table, "EXPECTED", {"ai_down": PAGE_AND_TICKET, "ai_errors": Expected()})
    head, _, down, errors, _, measured = table.document(
        {"ai_down": observation(*AS_EXPECTED, **TOLD)}
    ).splitlines()[:6]
    cells = dict(
        zip(*([cell.strip() for cell in row.split("|")[1:-1]] for row in (head, down)), strict=True)
    )
    assert cells == {
        "fault": "ai_down",
        "told whom": "page Page; ticket Ticket",
        "first after min": "1.2",
        "pages": "1",
        "tickets": "1",
        "messages in all": "4",
        "over after min": "1.7",
        "expected": "page Page; ticket Ticket",
    }
    assert "not run" in errors
    assert "Of 400 scrapes 1 failed; the slowest took 0.3 s." in measured


def test_a_table_says_what_is_not_as_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "FAULTS", ("ai_down",))
    monkeypatch.setattr(table, "EXPECTED", {"ai_down": PAGE_AND_TICKET})
    seen = observation(("Page", 1060, 9999), pages=("Page",), remaining=("Page",))
    (row,) = (line for line in table.document({"ai_down": seen}).splitlines() if "ai_down" in line)
    assert "not over" in row
    assert "; NOT AS EXPECTED" in row


def test_observations_are_kept(tmp_path: Path) -> None:
    seen = observation(*AS_EXPECTED, **TOLD)
    results.keep(seen, tmp_path / "new")
    assert results.kept(tmp_path / "new") == {"ai_down": seen}


def test_nothing_at_all_has_a_line_in_the_table() -> None:
    assert [row.alert for row in verdict.rows(observation(), Expected())] == ["(none)"]
    assert verdict.problems(observation(), Expected()) == []


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        (observation(), "Page: missing"),
        (observation(("Page", 1060, 1330)), "Page: not notified Page{job="),
        (observation(("Page", 1060, 1330), inhibited=("Page",)), "Page: inhibited"),
        (observation(("Page", 960, 1330), pages=("Page",)), "Page: before the fault"),
        (
            observation(("Page", 1060, 9999), pages=("Page",), remaining=("Page",)),
            "Page: not resolved",
        ),
        (observation(("Held", 1060, 1330), tickets=("Held",)), "Held: notified"),
        (observation(("Held", 1060, 1330)), "Held: not inhibited"),
        (observation(("Other", 1060, 1330), tickets=("Other",)), "Other: unexpected"),
    ],
)
def test_what_is_not_as_expected(seen: Observation, problem: str) -> None:
    problems = verdict.problems(seen, PAGE_AND_TICKET)
    assert any(each.startswith(problem) for each in problems), problems


def test_what_chance_decides_may_be_and_may_not_be() -> None:
    by_chance = Expected("Page", possible=frozenset({"Breaker"}))
    without = observation(("Page", 1060, 1330), pages=("Page",))
    assert verdict.problems(without, by_chance) == []
    both = (("Page", 1060, 1330), ("Breaker", 1090, 1330))
    told = observation(*both, pages=("Page",), tickets=("Breaker",))
    assert verdict.problems(told, by_chance) == []
    (problem,) = verdict.problems(observation(*both, pages=("Page",)), by_chance)
    assert problem.startswith("Breaker: not notified")
    (problem,) = verdict.problems(observation(*both, pages=("Page", "Breaker")), by_chance)
    assert problem.startswith("Breaker: paged")


def test_what_a_busy_machine_brings_is_not_the_faults() -> None:
    lag = ("EventLoopLagHigh", 1060, 1330)
    seen = observation(lag, tickets=("EventLoopLagHigh",))
    (problem,) = verdict.problems(seen, Expected())
    assert problem.startswith("EventLoopLagHigh: unexpected")
    busy = replace(seen, load=1000)
    assert verdict.problems(busy, Expected()) == []
    (row,) = verdict.rows(busy, Expected())
    assert row.remark == "of the machine"


def test_an_alert_that_fires_again_is_noted() -> None:
    seen = observation(("Page", 1060, 1090), ("Page", 1150, 1200), pages=("Page",))
    (row,) = verdict.rows(seen, Expected("Page"))
    assert row.remark == "fires again"


def test_the_table_fits_a_screen() -> None:
    names = {name for each in EXPECTED.values() for name in each.notified | each.inhibited}
    longest = max(names, key=len)
    rows = [
        verdict.Row(
            fault,
            longest,
            fires="1234",
            notified="1234",
            resolved="1234",
            wrong=("not resolved",),
            notes=("fires again",),
        )
        for fault in FAULTS
    ]
    assert max(map(len, verdict.table(rows))) <= 100
