"""The table of scenarios: what was expected, and what was seen."""

from collections.abc import Iterable

from alerts.scenarios.outcome import Outcome, expected

HEADER = """\
# Scenarios

Each row is an incident, or a day without one, told in the raw counters that the orchestrator would
expose. All rules are evaluated over it every 15 seconds, and a real Alertmanager with our
configuration says who is told. Minutes count from the beginning of the trouble; messages that
something is over are not counted. Nobody may be told anything else. `python -m alerts scenarios`
prints the same, `--write` writes it here, and the tests compare each row.

| scenario | what happens | expected | seen | equal |
| --- | --- | --- | --- | --- |
"""


def document(outcomes: Iterable[Outcome]) -> str:
    """The table as a page of the documentation."""
    return HEADER + "".join(f"{row(each)}\n" for each in outcomes)


def row(outcome: Outcome) -> str:
    """A scenario's row."""
    scenario = outcome.scenario
    should = "<br>".join(map(expected, scenario.told)) or "silence"
    did = "<br>".join(map(str, outcome.seen)) or "silence"
    equal = "yes" if not outcome.problems else f"no: {scenario.fails_today or '**why?**'}"
    return f"| {scenario.name} | {scenario.story} | {should} | {did} | {equal} |"


def report(outcome: Outcome) -> str:
    """A scenario in a few lines, for a terminal: how it differs, with its story, if it does."""
    scenario = outcome.scenario
    known = f" (known: {scenario.fails_today})" if scenario.fails_today else ""
    if not outcome.problems:
        told = "; ".join(map(str, outcome.seen)) or "silence"
        return f"ok    {scenario.name}: {told}" + (" - but marked as failing" if known else "")
    lines = [f"DIFFERS  {scenario.name}{known}", f"    {scenario.story}"]
    return "\n".join([*lines, *(f"    - {problem}" for problem in outcome.problems)])
