"""Scenarios from their story to what people were told."""

from collections.abc import Callable, Iterator, Sequence

from alerts import paths
from alerts.notifications import configuration
from alerts.notifications.settings import NotificationSettings
from alerts.rules import rule_files
from alerts.scenarios.evaluation import Timeline, timelines
from alerts.scenarios.notifications import asked, messages, waits_by_receiver
from alerts.scenarios.outcome import Outcome, seen
from alerts.scenarios.routing import State, routing
from alerts.scenarios.rules import Rules
from alerts.scenarios.scenario import Scenario
from app.core.config import load_settings
from prometheus_tools.toolchain import Tool
from prometheus_tools.yaml_reading import read_yaml

_FORGOTTEN_AFTER_SECONDS = 240
"""Alertmanager takes an alert for over when Prometheus has not told of it for so long."""


def rules() -> Rules:
    """The rules as they are generated now."""
    settings = load_settings()
    return Rules(rule_files(settings.thresholds, settings.links))


def outcomes(
    scenarios: Sequence[Scenario],
    tool: Tool | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Outcome]:
    """Each scenario with what was seen in it."""
    found = timelines(scenarios, rules(), tool, progress)
    fired = {each.name: list(_evaluations(each, found[each.name])) for each in scenarios}
    config = configuration.text(configuration.COMMITTED, NotificationSettings())
    states = (state for each in fired.values() for state in asked(of for _, of in each))
    routed = routing(states, config, paths.MESSAGE_TEMPLATES)
    waits = waits_by_receiver(read_yaml(config))
    return [
        Outcome(
            each,
            seen(each, messages(fired[each.name], routed, waits)),
            found[each.name].texts,
        )
        for each in scenarios
    ]


def _evaluations(scenario: Scenario, timeline: Timeline) -> Iterator[tuple[float, State]]:
    """What fires as Alertmanager knows it, which hears nothing while Prometheus does not run."""
    last: State = frozenset()
    seen_at = 0
    for at in range(0, scenario.steps * scenario.step, scenario.step):
        minute = scenario.minute(at)
        if any(since < minute <= until for since, until in scenario.blind):
            gone = at - seen_at > _FORGOTTEN_AFTER_SECONDS
            yield at, frozenset() if gone else last
        else:
            last, seen_at = timeline.at(at), at
            # The second one still says what the first one no longer does.
            late = timeline.at(at - scenario.step) if scenario.prometheuses > 1 else frozenset()
            yield at, last | late
