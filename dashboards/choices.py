"""What can be chosen on a dashboard, and how queries are filtered by it.

A dashboard has only the variables that its panels read (`read_by`). "All" is a value that also
holds when nothing is on offer, as after an outage longer than the range: Grafana would write an
empty choice otherwise, and each panel would be empty for that reason.
"""

from collections.abc import Iterator, Sequence

from grafanalib import core

from alerts.exporters import NODE_TIME
from alerts.identity import IDENTITY
from alerts.model import Record
from alerts.signals.scraping import ORCHESTRATOR_JOB, PLATFORM_JOBS, PROBE_JOB, REACHABLE
from app.core import catalogue
from asgi_observability.metric import Metric
from dashboards import grafana

DEPLOYMENT = ",".join(f'{label}=~"${label}"' for label in IDENTITY)
"""Which cluster and environment: every record and target has these, or none of them."""
TARGETS = f'{DEPLOYMENT},job=~"$job"'
"""What queries over recorded series filter by: those have no instance any more."""
INSTANCES = f'{TARGETS},instance=~"$instance"'
"""The same for series by instance."""
ALERTS_OF = ",".join(
    (
        *(f'{label}=~"${label}|"' for label in IDENTITY),
        f'job=~"{"|".join(("$job", *PLATFORM_JOBS, PROBE_JOB, ""))}"',
    )
)
"""The same for alerts. Those about what is missing have no such labels, and those about monitoring
itself have its jobs: whatever is chosen, both are of interest."""
LINES_OF = ",".join(f'{label}=~"${label}|"' for label in IDENTITY)
"""The same for log lines: a collector need not add what the process itself does not know."""
NODES = f'{DEPLOYMENT},instance=~"$node"'

# Two lines hold all of them, in a window of 1,280.
_SHORT = {"environment": "Env"}
# Also fits series without the label: where targets have none, nothing can be chosen by it.
_ANY_OR_NONE = ".*"
_ANY = ".+"


def of(source: Record | Metric | str, matchers: str = "", among: str = TARGETS) -> str:
    """The series ``source`` that fit ``matchers``, of what is chosen on the dashboard."""
    name = source.name if isinstance(source, Metric) else str(source)
    return f"{name}{{{','.join(filter(None, (matchers, among)))}}}"


def offered() -> Iterator[core.Template]:
    """All variables that panels over Prometheus may read, in the order in which they depend."""
    # What says whether a job is reachable lasts a day longer than the job.
    for label in IDENTITY:
        yield _values(
            label,
            _SHORT.get(label, label.capitalize()),
            f"label_values({REACHABLE}, {label})",
            _ANY_OR_NONE,
        )
    # There is one, so that nobody has to choose it; links and an export's own name go by it.
    yield grafana.hidden(
        _values("job", "Job", f"label_values({REACHABLE}{{{DEPLOYMENT}}}, job)", ORCHESTRATOR_JOB)
    )
    for name, label, series in (
        ("instance", "Instance", of(catalogue.BUILD_INFO)),
        ("node", "Host", of(NODE_TIME, among=DEPLOYMENT)),
    ):
        yield _values(name, label, f"label_values({series}, instance)", _ANY)


def read_by(texts: Sequence[str], further: Sequence[core.Template]) -> list[core.Template]:
    """The variables that ``texts`` read, directly or through another one, and ``further`` ones."""
    needed = " ".join([*texts, *(str(each.query) for each in further)])
    chosen: list[core.Template] = []
    for each in reversed(list(offered())):
        if f"${each.name}" in needed:
            chosen.insert(0, each)
            needed += f" {each.query}"
    source = grafana.datasource("datasource", "Data", "prometheus")
    return [*([source] if chosen else []), *chosen, *further]


def _values(name: str, label: str, query: str, all_value: str) -> core.Template:
    return grafana.variable(name, label, query, all_value)
