"""Two deployments of one job are never taken for one."""

import re

import pytest

from alerts.identity import IDENTITY, anonymous, checked, with_identity
from alerts.rules import RULESET, rule_files
from app.core.config import Links
from app.core.thresholds import Thresholds
from tests.not_empty import not_empty

_LABELS = re.compile(r"\b(?:by|on) \(([^()]*)\)")


@pytest.mark.parametrize(
    ("expr", "told_apart"),
    [
        ("sum by (job) (x)", "sum by (cluster, environment, job) (x)"),
        ("sum(x) by(job,le)", "sum(x) by (cluster, environment, job, le)"),
        (
            "a / on (job) group_left () (b > 0)",
            "a / on (cluster, environment, job) group_left () (b > 0)",
        ),
        ("max by (environment, job) (x)", "max by (cluster, environment, job) (x)"),
        ('x{a="sum by (job) (x)"} and on () y', 'x{a="sum by (job) (x)"} and on () y'),
        ("vector(1)", "vector(1)"),
    ],
)
def test_the_identity_goes_wherever_the_job_goes(expr: str, told_apart: str) -> None:
    assert with_identity(expr, IDENTITY) == told_apart


def test_every_rule_keeps_the_identity() -> None:
    for text in not_empty(rule_files(Thresholds(), Links()).values()):
        lost = [
            labels
            for labels in _LABELS.findall(text)
            if not {*IDENTITY, "job"} <= {*re.split(r",\s*", labels)}
        ]
        assert lost == []


def test_others_may_tell_deployments_apart_by_other_labels_or_by_none() -> None:
    by_region = "".join(rule_files(Thresholds(), Links(), ("region",)).values())
    assert "sum by (region, job) (" in by_region
    assert "environment" not in "".join(_LABELS.findall(by_region))
    by_none = "".join(rule_files(Thresholds(), Links(), ()).values())
    assert "sum by (job) (" in by_none


@pytest.mark.parametrize(
    ("label", "complaint"),
    [
        ("my-cluster", "no name of a label"),
        ("job", "for another reason"),
        ("component", "for another reason"),
    ],
)
def test_a_label_that_can_not_tell_deployments_apart_is_refused(label: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"{label}.*{complaint}"):
        checked(("cluster", label))


@pytest.mark.parametrize(
    ("expr", "fix"),
    [
        ("sum(x)", r"write sum by \(job\)"),
        ("sum by (route) (x)", r"write by \(job, route\)"),
        ("sum without (instance) (x)", r"by \(job, …\)"),
        ("a / on (slo) b", r"write on \(job, slo\)"),
        ("a / ignoring (slo) b", r"on \(job, …\)"),
    ],
)
def test_what_loses_the_job_is_named_with_the_fix(expr: str, fix: str) -> None:
    (problem,) = anonymous(expr)
    assert re.search(fix, problem)


def test_what_keeps_the_job_is_left_alone() -> None:
    assert not [*anonymous("sum by (job, route) (a) / on (job) group_left () max by (job) (b) > 1")]


def test_alerts_are_known_to_be_ours_whatever_their_names() -> None:
    text = "".join(rule_files(Thresholds(), Links()).values())
    assert text.count("- alert: ") == text.count(f"{RULESET[0]}: {RULESET[1]}") > 50
