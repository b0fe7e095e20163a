"""Which deployment a row, a lane or a bar is about: where more than one runs, each says it."""

from collections.abc import Iterable
from functools import cache

from alerts.builds import running_of
from alerts.exporters import UP
from alerts.identity import IDENTITY, with_identity
from alerts.model import records
from alerts.semantics import Semantics
from alerts.signals import groups
from app.core import catalogue
from app.core.thresholds import Thresholds
from dashboards.choices import of
from dashboards.sources import plain

BY = ", ".join(IDENTITY)
"""What tells deployments apart, as PromQL lists it in ``by (…)`` and ``on (…)``."""
WHERE = "where"
"""The label that says the same in words."""

_SCRAPE_SECONDS = 15


@cache
def is_told_apart(expr: str) -> bool:
    """Whether each result of ``expr`` says which deployment it is of.

    One that doesn't is of all that are chosen. So is what can't be parsed, which is a finding.
    """
    try:
        labels = _semantics().labels(plain(expr))
    except ValueError:
        return False
    return labels is not None and labels.issuperset(IDENTITY)


def with_where(expr: str) -> str:
    """``expr`` with the label `WHERE`, or without it where no deployment has a name."""
    return _joined(expr, IDENTITY, " *(.*?) *")


def in_legend(expr: str) -> str:
    """The same for the end of a legend: after a space, so that none is left where it is missing."""
    # Of itself there is nothing yet, but a space after it.
    return _joined(expr, (WHERE, *IDENTITY), " *( [^ ](?:.*[^ ])?|) *")


def legend_with_where(legend: str) -> str:
    """``legend`` of lanes or bars that say which deployment they are of, if asked `in_legend`."""
    return f"{legend}{{{{{WHERE}}}}}"


def _joined(expr: str, labels: Iterable[str], kept: str) -> str:
    parts = ", ".join(f'"{label}"' for label in labels)
    joined = f'label_join({expr}, "{WHERE}", " ", {parts})'
    return f'label_replace({joined}, "{WHERE}", "$1", "{WHERE}", "{kept}")'


def beside_release(series: str, among: str) -> str:
    """``series`` of instances, each with the version that it runs."""
    build = running_of(of(catalogue.BUILD_INFO, among=among), of(UP, among=among))
    joined = f"{series} * on (job, instance) group_left (version) {build}"
    return with_identity(joined, IDENTITY)


@cache
def _semantics() -> Semantics:
    return Semantics(records(groups(Thresholds())), _SCRAPE_SECONDS)
