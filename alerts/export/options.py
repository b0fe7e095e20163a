"""What whoever exports can choose."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from alerts.export import names
from alerts.export.engines import Engine
from alerts.identity import IDENTITY

OLDEST_KEEPING = (1, 92)
"""The vmalert from which on rules may say `keep_firing_for`; older ones refuse the file."""

NAMESPACE = "monitoring"

SLOWEST_SCRAPE_SECONDS = 30
"""The rules count at how many of two minutes' scrapes failures were seen: four are enough."""


@dataclass(frozen=True, slots=True)
class Options:
    """``jobs`` gives new names by old ones. ``without`` are groups that are left out.

    ``absent_jobs`` are scraped by nobody, by their old names: alerts that miss them are left out.

    ``vmalert`` is the version that has to read the rules. ``namespace`` is Mimir's for the rules,
    or the Kubernetes namespace of the resources; ``labels`` are put on the latter, for an operator
    that selects by them. ``identity`` are the labels that tell deployments apart.

    ValueError says which of these names the engine can't have.
    """

    engine: Engine
    jobs: Mapping[str, str] = field(default_factory=dict)
    scrape_seconds: int = 15
    without: frozenset[str] = frozenset()
    vmalert: tuple[int, int] = OLDEST_KEEPING
    namespace: str = NAMESPACE
    labels: Mapping[str, str] = field(default_factory=dict)
    absent_jobs: frozenset[str] = frozenset()
    identity: tuple[str, ...] = IDENTITY

    def __post_init__(self) -> None:
        if self.engine is Engine.MIMIR:
            names.require_mimir_namespace(self.namespace)
        if self.engine is Engine.OPERATOR:
            names.require_kubernetes_namespace(self.namespace)
            names.require_labels(self.labels)
