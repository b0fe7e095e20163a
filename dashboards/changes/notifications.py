"""Whether the notification settings changed: a line each, the rest is git's."""

from collections.abc import Iterator

from dashboards.changes.reading import section
from dashboards.changes.report import Change, Part, Section, Subject, Weight
from dashboards.changes.revision import Revision

_PARTS = {
    "route": "routes",
    "receivers": "receivers",
    "inhibit_rules": "inhibition",
    "templates": "list of templates",
}


def notification_section(old: Revision, new: Revision) -> Section:
    """Which parts of alertmanager.yml and which messages changed."""
    changes = (*_routes(old, new), *_messages(old, new))
    subjects = tuple(Subject("file", "", (change,)) for change in changes)
    return section("Notifications", [Part("", subjects)])


def _routes(old: Revision, new: Revision) -> Iterator[Change]:
    if old.routes is None or new.routes is None or old.routes == new.routes:
        return
    keys = {**old.routes, **new.routes}
    changed = [_PARTS.get(key, key) for key in keys if old.routes.get(key) != new.routes.get(key)]
    yield Change(Weight.CALLS, f"alertmanager.yml: {', '.join(changed)} changed; see git diff")


def _messages(old: Revision, new: Revision) -> Iterator[Change]:
    if old.messages is None or new.messages is None or old.messages == new.messages:
        return
    names = sorted(old.messages.keys() | new.messages.keys())
    changed = [
        name.rpartition("/")[2]
        for name in names
        if old.messages.get(name) != new.messages.get(name)
    ]
    yield Change(Weight.WORDING, f"messages: {', '.join(changed)} changed; see git diff")
