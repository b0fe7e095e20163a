"""What is said where a scenario differs, and what notices a mutant; neither with all rules."""

from dataclasses import replace

import pytest

from alerts.scenarios import command, run, table
from alerts.scenarios.changes import Down
from alerts.scenarios.collection import all_scenarios, named
from alerts.scenarios.mutants import Incident
from alerts.scenarios.notifications import Message
from alerts.scenarios.outcome import Outcome, seen
from alerts.scenarios.routing import Alert, State
from alerts.scenarios.scenario import MONDAY_MORNING, TICKET, Scenario, Told
from alerts.scenarios.world import World
from prometheus_tools.mutated import noticed
from prometheus_tools.mutation import mutants

PAGE: Alert = frozenset(
    {"alertname": "ServiceDown", "severity": "page", "team": "orchestrator", "job": "a"}.items()
)
DOWN = Scenario(
    name="Down for a short while",
    story="It does not run for 5 minutes.",
    begins=MONDAY_MORNING,
    lasts=10,
    lead=5,
    world=World(changes=(Down(until=5),)),
    told=(Told("ServiceDown", within=3, over=6),),
)


def outcome(scenario: Scenario, *minutes: float, over: float | None = 5.5) -> Outcome:
    """What is seen where a page comes at these minutes after minute 0."""
    none: State = frozenset()
    group: Alert = frozenset()
    sent = [
        Message((scenario.lead + at) * 60, "page", group, frozenset({PAGE}), none) for at in minutes
    ]
    if over is not None:
        sent.append(Message((scenario.lead + over) * 60, "page", group, none, frozenset({PAGE})))
    return Outcome(scenario, seen(scenario, sent))


def test_what_is_as_expected_is_no_problem() -> None:
    assert outcome(DOWN, 2).problems == []


@pytest.mark.parametrize(
    ("told", "minutes", "over", "problem"),
    [
        (Told("ServiceDown", within=1, over=6), (2,), 5.5, "told too late: expected ServiceDown"),
        (Told("ServiceDown", within=3, over=5), (2,), 5.5, "over too late"),
        (Told("ServiceDown", within=3, over=6), (2,), None, "not told to be over"),
        (Told("ServiceDown", within=3), (2,), 5.5, "told to be over, and is not"),
        (Told("ServiceDown", within=3, over=6), (2, 4), 5.5, "not so many messages"),
        (Told("ServiceDown", within=3, over=6), (-2,), 5.5, "told before anything happened"),
        (Told("ServiceDown", TICKET, within=3, over=6), (2,), 5.5, "nobody is told: ServiceDown"),
        (Told("ServiceDown", within=3, over=6, about={"job": "b"}), (2,), 5.5, "should be silent"),
        (Told("ServiceDown", within=3, over=6, says="west"), (2,), 5.5, "should say 'west'"),
    ],
)
def test_a_difference_is_named(
    told: Told, minutes: tuple[float, ...], over: float | None, problem: str
) -> None:
    found = outcome(replace(DOWN, told=(told,)), *minutes, over=over)
    assert problem in " ".join(found.problems)
    assert DOWN.story in table.report(found)


def test_a_message_about_two_alerts_of_a_matter_is_one() -> None:
    one, other = (PAGE | {("component", name)} for name in ("ai_provider", "sms_agent"))
    both: State = frozenset({one, other})
    sent = [Message(400, "page", frozenset(), both, frozenset())]
    (found,) = seen(DOWN, sent)
    assert (found.notifications, found.over) == (1, None)


@pytest.mark.parametrize(
    ("minutes", "fails_today", "code"),
    [((2,), "", 0), ((4,), "", 1), ((4,), "it is late", 0), ((2,), "it is late", 1)],
)
def test_the_command_fails_where_something_is_not_as_it_was_said_to_be(
    minutes: tuple[float, ...],
    fails_today: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = outcome(replace(DOWN, fails_today=fails_today), *minutes)
    monkeypatch.setattr(command, "outcomes", lambda _scenarios, progress: [found])
    monkeypatch.setattr(command, "named", lambda _names: (DOWN,))
    assert command.tell(["any"], write=False) == code
    assert DOWN.name in capsys.readouterr().out


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    known = all_scenarios()[0]
    assert named([known.name.upper()]) == (known,)
    with pytest.raises(ValueError, match=f"no scenario '{known.slug}s'.*{known.slug}"):
        named([f"{known.slug}s"])


def test_what_must_not_be_is_refused() -> None:
    with pytest.raises(ValueError, match="severity 'pages': page or ticket"):
        replace(DOWN, told=(Told("ServiceDown", "pages"),))
    with pytest.raises(ValueError, match="two worlds have the same cluster"):
        replace(DOWN, beside=(World(),))
    with pytest.raises(ValueError, match="needs the groups"):
        replace(DOWN, step=300)


def test_a_mutant_is_noticed_where_something_fires_at_another_time() -> None:
    rules = run.rules()
    incident = Incident(DOWN, rules)
    alerts = frozenset({"ServiceDown"})
    assert incident.told == alerts <= incident.touched
    some = [
        m
        for m in mutants("scraping", rules.contents["scraping"])
        if m.rule == "ServiceDown (page)" and m.change.partition(" ")[0] not in ("by", "on")
    ]
    found = noticed(incident.world(alerts), rules.contents, some)
    # Nothing else is down, and nothing is gone.
    assert {m.change.partition(" at ")[0] for m in some if m not in found} == {
        "`1`",
        "`2`",
        '`{job="orchestrator"}`',
    }


def test_a_quiet_day_is_told_to_all_mutants() -> None:
    quiet = replace(DOWN, told=(), world=World())
    assert Incident(quiet, run.rules()).touched == run.rules().alerts
