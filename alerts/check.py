"""Everything that can be wrong with rules, their tests, the configurations and the runbooks."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from alerts import exposed, generated, paths, runbooks
from alerts.evidence import hasty_in
from alerts.expressions import Vocabulary
from alerts.form import colliding_in, misshapen_in
from alerts.identity import anonymous
from alerts.literals import literal_metrics_in
from alerts.model import (
    Group,
    Threshold,
    records,
)
from alerts.notifications import configuration, held_back
from alerts.notifications.channels import Channel, Secrets, known_files
from alerts.notifications.settings import NotificationSettings
from alerts.order import misordered_in
from alerts.prometheus_config import scrape_seconds
from alerts.rule_tests.files import test_files
from alerts.rules import alert_expr, expressions, rule_files
from alerts.scenarios.collection import all_scenarios
from alerts.semantics import Semantics
from alerts.signals import groups
from alerts.untested import untested_in
from app.core.config import Links, load_settings, overridden_environments
from app.core.environment import SettingsError
from app.core.thresholds import Thresholds
from prometheus_tools import promtool
from prometheus_tools.promtool import CheckFailedError
from prometheus_tools.toolchain import locate


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is checked. ``problems`` gives what is wrong, one line each."""

    name: str
    problems: Callable[[], list[str]]


def steps(thresholds: Thresholds, links: Links) -> Iterator[Step]:
    """The checks, quick ones first."""
    all_groups = groups(thresholds)
    vocabulary = Vocabulary(records(all_groups))
    yield Step(
        "generated rules", lambda: generated.drift(paths.RULES, rule_files(thresholds, links))
    )
    yield Step("metrics that the service exposes, by promtool", exposed.ill_formed)
    yield Step("metrics in rules", lambda: unknown_in(all_groups, vocabulary))
    yield Step("metrics named as text", lambda: literal_metrics_in(paths.SIGNALS))
    semantics = Semantics(records(all_groups), scrape_seconds())
    yield Step("meaning of rules", lambda: meaningless_in(all_groups, semantics))
    yield Step("identity of series", lambda: anonymous_in(all_groups))
    yield Step("form of alerts", lambda: misshapen_in(all_groups, scrape_seconds()))
    yield Step("labels of alerts", lambda: colliding_in(all_groups, semantics))
    yield Step("evidence of alerts", lambda: hasty_in(all_groups))
    yield Step("rules of other environments", unusable_environments)
    yield Step("order of rules", lambda: misordered_in(all_groups))
    yield Step("runbooks", lambda: runbooks.problems(paths.RUNBOOKS, all_groups, vocabulary))
    yield Step("generated alertmanager.yml", notification_drift)
    yield Step("generated table of docs/notifying.md", held_back.drift)
    yield Step(f"rules, by {locate('promtool')}", lambda: _each(promtool.check_rules, paths.RULES))
    yield Step(
        "prometheus.yml",
        lambda: _findings(promtool.check_config, paths.PROMETHEUS_CONFIG),
    )
    yield Step(
        "generated rule tests",
        lambda: generated.drift(
            paths.GENERATED_RULE_TESTS, test_files(thresholds, links, scrape_seconds())
        ),
    )
    yield Step(
        "rules without a test",
        lambda: untested_in(all_groups, paths.RULE_TESTS, all_scenarios()),
    )
    yield Step(
        "rule tests",
        lambda: [
            *_each(promtool.test_rules, paths.RULE_TESTS),
            *_each(promtool.test_rules, paths.GENERATED_RULE_TESTS),
        ],
    )
    yield Step(
        f"alertmanager.yml, by {locate('amtool')}",
        lambda: _findings(promtool.check_alertmanager, paths.ALERTMANAGER_CONFIG),
    )
    yield Step("alertmanager.yml for other secrets", unusable_notifications)


def unknown_in(all_groups: tuple[Group, ...], vocabulary: Vocabulary) -> list[str]:
    """Expressions that speak of metrics, labels or values that don't exist."""
    return [
        f"group {group.name}: rule {name}: {problem}"
        for group in all_groups
        for name, expr in expressions(group)
        for problem in vocabulary.problems(expr)
    ]


def meaningless_in(all_groups: tuple[Group, ...], semantics: Semantics) -> list[str]:
    """Expressions that Prometheus takes, but that can't mean what they say."""
    found = [
        f"group {group.name}: rule {name}: {problem}"
        for group in all_groups
        for name, expr in expressions(group)
        for problem in semantics.problems(expr)
    ]
    return found + [
        f"group {group.name}: rule {threshold.alert}: {problem}"
        for group in all_groups
        for signal in group.signals
        for threshold in signal.thresholds
        for problem in semantics.template_problems(
            alert_expr(signal, threshold), *_texts(threshold)
        )
    ]


def anonymous_in(all_groups: tuple[Group, ...]) -> list[str]:
    """Expressions that lose which deployment they speak of."""
    return [
        f"group {group.name}: rule {name}: {problem}"
        for group in all_groups
        for name, expr in expressions(group)
        for problem in anonymous(expr)
    ]


def unusable_environments() -> list[str]:
    """What can't be right in the rules of the environments that have settings of their own."""
    found = []
    for name in overridden_environments():
        try:
            settings = load_settings(name)
            rule_files(settings.thresholds, settings.links)
        except (SettingsError, ValueError) as error:
            found.append(f"environment {name}: {error}")
        else:
            problems = misshapen_in(groups(settings.thresholds), scrape_seconds())
            found += [f"environment {name}: {problem}" for problem in problems]
    return found


def notification_drift() -> list[str]:
    """How the committed alertmanager.yml differs from what is generated."""
    file = paths.ALERTMANAGER_CONFIG
    text = configuration.text(configuration.COMMITTED, NotificationSettings.load())
    return generated.drift(file.parent, {file.name: text})


def unusable_notifications() -> list[str]:
    """What Alertmanager refuses of the configurations for no secret, each alone, and all."""
    settings = NotificationSettings(email_to="somebody@example.com", quiet_hours=True)
    every = Secrets(frozenset(known_files()))
    found = []
    with TemporaryDirectory() as folder:
        for secrets in (Secrets.of(), *map(Secrets.of, Channel), every):
            file = Path(folder) / paths.ALERTMANAGER_CONFIG.name
            configuration.write(file, secrets, settings)
            names = ", ".join(sorted(secrets.files)) or "no secret"
            found += [
                problem.replace(str(file), f"for {names}")
                for problem in _findings(promtool.check_alertmanager, file)
            ]
    return found


def _texts(threshold: Threshold) -> tuple[str, ...]:
    logs = threshold.logs.logql if threshold.logs else ""
    return (threshold.summary, threshold.description, threshold.action, logs)


def _each(check: Callable[[Path], None], folder: Path) -> list[str]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        files = sorted(folder.glob("*.yml"))
        return [found for each in pool.map(partial(_findings, check), files) for found in each]


def _findings(check: Callable[[Path], None], file: Path) -> list[str]:
    try:
        check(file)
    except CheckFailedError as error:
        return [str(problem) for problem in error.problems]
    return []
