"""Tests of recording rules: what each has to say of a universe of series."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerts.rule_tests.universe import Universe, Values, selector
from app.core.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where a universe stands: its identity. ``swaps`` says that its jobs have changed places."""

    identity: Mapping[str, str]
    swaps: bool = False

    def labels(self, labels: Mapping[str, str], jobs: Sequence[str]) -> dict[str, str]:
        """The labels that a series has here. ``jobs`` are those of the universe."""
        if not self.swaps or "job" not in labels:
            return {**self.identity, **labels}
        following = jobs[(jobs.index(labels["job"]) + 1) % len(jobs)]
        return {**self.identity, **labels, "job": following}


ONE_DEPLOYMENT = (Deployment({"cluster": "main", "environment": "production"}),)
DEPLOYMENTS = (
    *ONE_DEPLOYMENT,
    Deployment({"cluster": "main", "environment": "staging"}, swaps=True),
    Deployment({"cluster": "spare", "environment": "production"}, swaps=True),
)
"""Those that differ in one label each: what is joined without it finds two partners, or a wrong
one, because a job that has all series here lacks some there.
"""


Reads = Callable[[str, Mapping[str, str]], bool]
"""Whether the records read a series of this name with these labels."""


@dataclass(frozen=True, slots=True)
class RecordTest:
    """What records have to say, by their names, of ``universe``.

    It stands in each of the deployments that its group is tested in, unless its series say
    themselves where they are.
    """

    about: str
    universe: Universe
    expected: dict[str, Values]
    says_where: bool = False

    def promtool(self, deployments: Iterable[Deployment], reads: Reads) -> dict[str, Any]:
        """The test as promtool takes it: of the universe what is read, in each deployment.

        Each has series of its own, of the same jobs and instances, and says the same of them.
        """
        if self.says_where:
            deployments = (Deployment({}),)
        jobs = sorted({one.labels["job"] for one in self.universe.series if "job" in one.labels})
        return {
            "name": self.about,
            "interval": f"{self.universe.step}s",
            "input_series": [
                {"series": selector(name, deployment.labels(labels, jobs)), "values": values}
                for deployment in deployments
                for name, labels, values in self.universe.inputs()
                if reads(name, labels)
            ],
            "promql_expr_test": [
                {
                    "expr": _rounded(name, values),
                    "eval_time": f"{self.universe.at}s",
                    "exp_samples": [
                        {
                            "labels": selector("", deployment.labels(dict(labels), jobs)),
                            "value": _round(value, _places(values)),
                        }
                        for deployment in deployments
                        for labels, value in sorted(values.items())
                    ],
                }
                for name, values in self.expected.items()
            ],
        }


RecordTests = Callable[[Thresholds], list[RecordTest]]
"""What a group's module gives."""


def _rounded(name: str, values: Values) -> str:
    # Rounded on both sides: the last digits depend on the order of adding.
    return f"round({name}, {_places(values):g})"


def _places(values: Values) -> float:
    """To what is rounded: about six digits of the largest.

    No power of ten, because sums of round numbers would lie just between two of its multiples.
    """
    largest = max((abs(value) for value in values.values() if math.isfinite(value)), default=0)
    return float(f"3e{math.ceil(math.log10(largest)) - 7}") if largest else 3e-7


def _round(value: float, places: float) -> float:
    """As Prometheus rounds."""
    inverse = 1 / places
    return math.floor(value * inverse + 0.5) / inverse
