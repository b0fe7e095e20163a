"""Everything that can be wrong with rules, their tests, the configurations and the runbooks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alerts import generated, paths, promtool, runbooks
from alerts.expressions import Vocabulary
from alerts.model import Group, alert_names, records
from alerts.promtool import CheckFailedError
from alerts.rules import alert_expr, rule_files
from alerts.signals import groups
from app.core.config import Links, Thresholds
from stack.toolchain import locate


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
    yield Step("metrics in rules", lambda: unknown_in(all_groups, vocabulary))
    yield Step(
        "runbooks", lambda: runbooks.problems(paths.RUNBOOKS, alert_names(all_groups), vocabulary)
    )
    yield Step(f"rules, by {locate('promtool')}", lambda: _each(promtool.check_rules, paths.RULES))
    yield Step(
        "prometheus.yml",
        lambda: _findings(promtool.check_config, paths.PROMETHEUS_CONFIG),
    )
    yield Step("rule tests", lambda: _each(promtool.test_rules, paths.RULE_TESTS))
    yield Step(
        f"alertmanager.yml, by {locate('amtool')}",
        lambda: _findings(promtool.check_alertmanager, paths.ALERTMANAGER_CONFIG),
    )


def unknown_in(all_groups: tuple[Group, ...], vocabulary: Vocabulary) -> list[str]:
    """Expressions that speak of metrics, labels or values that don't exist."""
    return [
        f"group {group.name}: rule {name}: {problem}"
        for group in all_groups
        for name, expr in _expressions(group)
        for problem in vocabulary.problems(expr)
    ]


def _expressions(group: Group) -> Iterator[tuple[str, str]]:
    for record in group.all_records():
        yield record.name, record.expr
    for signal in group.signals:
        for threshold in signal.thresholds:
            yield threshold.alert, alert_expr(signal, threshold)


def _each(check: Callable[[Path], None], folder: Path) -> list[str]:
    return [found for file in sorted(folder.glob("*.yml")) for found in _findings(check, file)]


def _findings(check: Callable[[Path], None], file: Path) -> list[str]:
    try:
        check(file)
    except CheckFailedError as error:
        return [str(problem) for problem in error.problems]
    return []
