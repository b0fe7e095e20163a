"""Whether the scenarios notice a mutant of a rule: something fires at other times than before."""

from collections.abc import Sequence
from threading import Lock

from alerts.scenarios.evaluation import Timeline, timelines
from alerts.scenarios.rules import Rules
from alerts.scenarios.scenario import Scenario
from prometheus_tools.mutation import Mutant


class Noticing:
    """What notices mutants of ``rules``: ``scenarios``, those in which the rule matters first.

    Only the alerts that read the mutated rule are evaluated, and what they read.
    """

    def __init__(self, rules: Rules, scenarios: Sequence[Scenario]) -> None:
        self._rules, self._scenarios = rules, scenarios
        self._before: dict[str, dict[str, Timeline]] = {}
        self._lock = Lock()

    def __call__(self, mutant: Mutant) -> bool:
        """Whether any scenario notices the mutant."""
        # The window behind a name tells rules of one name apart.
        name = mutant.rule.partition(" ")[0]
        alerts = frozenset(self._rules.reading({name}))
        if not alerts:
            return False
        mutated = Rules({**self._rules.files, f"{mutant.file}.yml": mutant.rules}, alerts)
        before = self._as_it_is(name)
        first = [each for each in self._scenarios if before[each.name].firing]
        rest = [each for each in self._scenarios if not before[each.name].firing]
        return any(
            self._differs(timelines(some, mutated), before) for some in (first, rest) if some
        )

    def _as_it_is(self, name: str) -> dict[str, Timeline]:
        with self._lock:
            if name not in self._before:
                original = Rules(self._rules.files, frozenset(self._rules.reading({name})))
                self._before[name] = timelines(self._scenarios, original)
            return self._before[name]

    @staticmethod
    def _differs(after: dict[str, Timeline], before: dict[str, Timeline]) -> bool:
        return any(of.firing != before[name].firing for name, of in after.items())
