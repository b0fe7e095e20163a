"""Which alert holds back which others, because it says the same or more.

Source and target of a rule exclude each other, so that no alert holds itself back.
"""

from dataclasses import dataclass

THE_SAME_THING = (
    *("alertname", "job", "instance", "component", "operation", "route"),
    *("slo", "signal", "direction", "device", "mountpoint"),
)
"""Labels that say what an alert is about; one that is missing on both sides is equal."""


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While a ``source`` fires, nobody is told of a ``target`` with ``equal`` labels.

    ``reason`` says why that is no loss.
    """

    reason: str
    source: tuple[str, ...]
    target: tuple[str, ...]
    equal: tuple[str, ...]


INHIBITIONS = (
    Inhibition(
        "Of a service that can't be scraped, the last samples say nothing new.",
        source=('alertname="ServiceDown"',),
        target=('alertname!="ServiceDown"',),
        equal=("job",),
    ),
    Inhibition(
        "SMS fail because of it, and somebody was called for it already.",
        source=('alertname=~"(AIProvider|Database)Failing"', 'severity="page"'),
        target=('alertname="SMSWorkflowsFailing"',),
        equal=("job",),
    ),
    Inhibition(
        "Somebody was called for it already.",
        source=('severity="page"',),
        target=('severity="ticket"',),
        equal=THE_SAME_THING,
    ),
    Inhibition(
        "A budget that burns at the faster pace burns at the slower one as well.",
        source=('slo!=""', 'severity="page"', 'window="1h"'),
        target=('slo!=""', 'severity="page"', 'window="6h"'),
        equal=("alertname", "job", "slo"),
    ),
    Inhibition(
        "The same of the two slow paces.",
        source=('slo!=""', 'severity="ticket"', 'window="1d"'),
        target=('slo!=""', 'severity="ticket"', 'window="3d"'),
        equal=("alertname", "job", "slo"),
    ),
    Inhibition(
        "A failing upstream opens its breaker.",
        source=('alertname=~"(AIProvider|Upstream)Failing"', 'component!=""'),
        target=('alertname=~"CircuitBreaker.+"', 'component!=""'),
        equal=("job", "component"),
    ),
)
