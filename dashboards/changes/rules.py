"""Recording rules and rule groups compared; alerts are in alerts.py."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerts.rules import SET_BY_RULES
from dashboards.changes import settings
from dashboards.changes.excerpts import one_line, with_names
from dashboards.changes.pairing import Pairing, paired
from dashboards.changes.reading import section
from dashboards.changes.report import Change, Part, Section, Subject, Weight, counted
from dashboards.changes.revision import Document
from dashboards.changes.wording import expression_change
from prometheus_tools.rulebook import duration

_DESCRIBED = ("record", "alert", "expr", "labels", "annotations", "for", "keep_firing_for")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule at its ``position`` in a group.

    ``labels`` and ``annotations`` are pairs of name and value, by name; ``pending`` and
    ``keep_firing`` are Prometheus durations; ``rest`` is what else is set.
    """

    group: str
    position: int
    alerts: bool
    name: str
    expr: str
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]
    pending: str
    keep_firing: str
    rest: Mapping[str, Any]

    def label(self, name: str) -> str:
        """The value of a label, empty where the rule sets none."""
        return dict(self.labels).get(name, "")


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of two revisions, each with its partner; ``renamed`` records by their old name.

    ``after`` are all of the new revision.
    """

    after: tuple[Rule, ...]
    pairing: Pairing[Rule]
    renamed: Mapping[str, str]
    groups: Pairing[Mapping[str, Any]]

    def of(self, alerts: bool) -> Pairing[Rule]:
        """Only the alerts, or only the records."""
        return Pairing(
            tuple(pair for pair in self.pairing.both if pair[1].alerts == alerts),
            tuple(rule for rule in self.pairing.removed if rule.alerts == alerts),
            tuple(rule for rule in self.pairing.added if rule.alerts == alerts),
        )


def rules(old: Mapping[str, Document], new: Mapping[str, Document]) -> Rules:
    """The rules of two revisions of rule files."""
    groups_before, groups_after = _groups(old), _groups(new)
    before = [rule for group in groups_before for rule in _rules(group)]
    after = [rule for group in groups_after for rule in _rules(group)]
    renamed: dict[str, str] = {}
    grows = True
    while grows:
        # Who reads a record under its new name may itself have a new one.
        pairing = paired(before, after, *_identities(renamed))
        found = {a.name: b.name for a, b in pairing.both if not b.alerts and a.name != b.name}
        grows = len(found) > len(renamed)
        renamed = found
    groups = paired(groups_before, groups_after, lambda group: group["name"])
    return Rules(tuple(after), pairing, renamed, groups)


def record_section(compared: Rules) -> Section:
    """What changed in recording rules and groups."""
    parts: dict[str, list[Subject]] = {}
    for group, told in _of_groups(compared):
        change = Change(Weight.BEHAVIOUR, told)
        parts.setdefault(group, []).append(Subject("group", "", (change,)))
    for old, new in compared.of(alerts=False).both:
        changes = tuple(_record_changes(old, new, compared.renamed))
        parts.setdefault(new.group, []).append(Subject("record", called(new), changes))
    return section("Records", (Part(group, tuple(found)) for group, found in parts.items()))


def called(rule: Rule) -> str:
    """How a record is called: with its labels, since records may share a name."""
    labels = ", ".join(f'{name}="{value}"' for name, value in rule.labels)
    return f"{rule.name}{{{labels}}}" if labels else rule.name


def label_changes(old: Rule, new: Rule, besides: Sequence[str] = ()) -> Iterator[Change]:
    """Labels that were set, taken away or changed, ``besides`` some."""
    before, after = dict(old.labels), dict(new.labels)
    for name in sorted(before.keys() | after.keys()):
        if name not in besides and before.get(name) != after.get(name):
            yield Change(
                Weight.BEHAVIOUR,
                settings.value_change(f"label {name}", before.get(name), after.get(name)),
            )


def common_changes(old: Rule, new: Rule) -> Iterator[Change]:
    """What may change in any rule: its group, and settings that are new to us."""
    if old.group != new.group:
        yield Change(Weight.PLACE, f"moved from group {old.group} to {new.group}")
    for told in settings.differences(old.rest, new.rest):
        yield Change(Weight.BEHAVIOUR, told)


def _record_changes(old: Rule, new: Rule, renamed: Mapping[str, str]) -> Iterator[Change]:
    if old.name != new.name:
        yield Change(Weight.BEHAVIOUR, f"renamed, leaving its past behind; was {old.name}")
    yield from expression_change("expression", old.expr, new.expr, renamed)
    yield from label_changes(old, new)
    yield from common_changes(old, new)


def same_duration(one: str, other: str) -> bool:
    """Whether two Prometheus durations are of one length, however they are written."""
    try:
        return one == other or duration(one) == duration(other)
    except ValueError:
        return False


def _of_groups(compared: Rules) -> Iterator[tuple[str, str]]:
    """What changed in each group as a whole, and the records that came and went."""
    groups, records = compared.groups, compared.of(alerts=False)
    for old, new in groups.both:
        for told in _group_changes(old, new):
            yield new["name"], told
    for name in _reordered(compared.pairing.both):
        yield name, "rules are evaluated in another order"
    for word, with_name, those in (
        ("new group", groups.added, records.added),
        ("group removed", groups.removed, records.removed),
    ):
        for group in with_name:
            count = sum(rule.group == group["name"] for rule in those)
            yield group["name"], f"{word}: {counted(count, 'record')}" if count else word
    for word, whole, those in (
        ("added", groups.added, records.added),
        ("removed", groups.removed, records.removed),
    ):
        names: dict[str, list[str]] = {}
        for rule in those:
            names.setdefault(rule.group, []).append(called(rule))
        told_whole = {group["name"] for group in whole}
        for name, here in names.items():
            if name not in told_whole:
                yield name, f"{counted(len(here), 'record')} {word}: {', '.join(here)}"


def _group_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = (str(group.get("interval", "Prometheus's own")) for group in (old, new))
    if not same_duration(before, after):
        yield f"interval {before} -> {after}"
    rest = [settings.without(group, "name", "interval", "rules") for group in (old, new)]
    yield from settings.differences(*rest)


def _reordered(pairs: Iterable[tuple[Rule, Rule]]) -> list[str]:
    """The groups in which rules that stay are evaluated in another order."""
    positions: dict[str, list[int]] = {}
    for old, new in pairs:
        if old.group == new.group:
            positions.setdefault(new.group, []).append(old.position)
    return [group for group, order in positions.items() if order != sorted(order)]


def _identities(renamed: Mapping[str, str]) -> tuple[Callable[[Rule], Any], ...]:
    def expr(rule: Rule) -> str:
        return with_names(rule.expr, renamed)

    def telling(rule: Rule) -> frozenset[tuple[str, str]]:
        """Labels that tell an alert from others of its name."""
        return frozenset(pair for pair in rule.labels if pair[0] not in SET_BY_RULES)

    return (
        lambda rule: (rule.alerts, rule.name, rule.labels, rule.group, rule.expr),
        lambda rule: (rule.alerts, rule.name, rule.labels, rule.group),
        lambda rule: (rule.alerts, rule.name, rule.labels),
        lambda rule: (rule.alerts, rule.name, telling(rule), rule.expr),
        lambda rule: (rule.alerts, rule.name, telling(rule)),
        lambda rule: (rule.alerts, rule.name, rule.expr),
        lambda rule: (rule.alerts, rule.name, rule.group),
        lambda rule: (rule.alerts, rule.name),
        # Under another name.
        lambda rule: (rule.alerts, expr(rule), rule.labels, rule.group),
        lambda rule: (rule.alerts, expr(rule), rule.labels),
    )


def _groups(files: Mapping[str, Document]) -> list[Mapping[str, Any]]:
    return [group for document in files.values() for group in document["groups"]]


def _rules(group: Mapping[str, Any]) -> Iterator[Rule]:
    for position, rule in enumerate(group["rules"]):
        alerts = "alert" in rule
        yield Rule(
            group=str(group["name"]),
            position=position,
            alerts=alerts,
            name=str(rule["alert" if alerts else "record"]),
            expr=one_line(str(rule["expr"])),
            labels=_pairs(rule, "labels"),
            annotations=_pairs(rule, "annotations"),
            pending=str(rule.get("for", "0s")),
            keep_firing=str(rule.get("keep_firing_for", "0s")),
            rest=settings.without(rule, *_DESCRIBED),
        )


def _pairs(rule: Mapping[str, Any], key: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(name), str(value)) for name, value in (rule.get(key) or {}).items()))
