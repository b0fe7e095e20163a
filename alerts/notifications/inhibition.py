"""Which alert holds back which others, because it says the same or more.

Alertmanager may serve others too, with alerts of the same names. So sources and targets are ours by
the label that only our rules set; and where labels have to be equal, both sides must have them: one
that is missing on both counts as equal, so a stranger's ServiceDown without a job would silence
whatever else has none. Only the identity may be missing on both: then there is only one place.

Source and target of a rule exclude each other, so that no alert holds itself back. The Watchdog is
nobody's target: it has no job.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from alerts.identity import IDENTITY
from alerts.model import Group, Severity, Signal, Threshold, records
from alerts.prometheus_config import scrape_seconds
from alerts.promql import seconds
from alerts.rules import OURS, alert_expr
from alerts.semantics import Semantics
from alerts.signals import groups
from app.core.thresholds import Thresholds

PAGES = f'severity="{Severity.PAGE}"'
TICKETS = f'severity="{Severity.TICKET}"'
_WINDOW = "window"


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While a ``source`` fires, nobody is told of a ``target`` of the same job and identity.

    ``same`` are the labels besides that both have, with the same values. ``reason`` says why that
    is no loss.
    """

    reason: str
    source: tuple[str, ...]
    target: tuple[str, ...]
    same: tuple[str, ...] = ()

    @property
    def source_matchers(self) -> tuple[str, ...]:
        return (*self._there, *self.source)

    @property
    def target_matchers(self) -> tuple[str, ...]:
        return (*self._there, *self.target)

    @property
    def _there(self) -> tuple[str, ...]:
        """Ours, and with all the labels that have to be equal."""
        named = (name for name in ("job", *self.same) if name != "alertname")
        return (*OURS, *(f'{name}!=""' for name in named))


_CAUSES = (
    Inhibition(
        "Of a service that can't be scraped, the last samples say nothing new.",
        source=('alertname="ServiceDown"',),
        target=('alertname!~"ServiceDown|Watchdog"',),
    ),
    Inhibition(
        "SMS fail because of it, and somebody was called for it already. Those that fail for "
        "another reason are told.",
        source=('alertname="AIProviderFailing"', PAGES),
        target=('alertname="SMSWorkflowsFailing"', 'cause="ai_provider"'),
    ),
    Inhibition(
        "Without the database nothing works, and somebody was called for it already.",
        source=('alertname="DatabaseFailing"', PAGES),
        target=('alertname=~"SMSWorkflowsFailing|RouteFailing"',),
    ),
    Inhibition(
        "The release is the cause, somebody was called for it, and rolling it back is the cure.",
        source=('alertname=~"ReleaseFailing|ReleaseSlow"', PAGES),
        target=('alertname=~"ReleaseWorse|RouteFailing|HTTPResponsesSlow"',),
    ),
    Inhibition(
        "Calls that fail open the breaker: its alert says nothing new.",
        source=('alertname=~"(AIProvider|Upstream)Failing"',),
        target=('alertname=~"CircuitBreaker.+"',),
        same=("component",),
    ),
)

_FAIL_FOR_OTHER = ('alertname="SMSWorkflowsFailing"', 'cause!="ai_provider"')

_SPENT_BY: dict[str, tuple[tuple[str, ...], ...]] = {
    # Where the SMS Agent takes no text of workflows, it takes none of managers' either.
    "availability": (
        ('alertname=~"DatabaseFailing|ReleaseFailing|ReleaseSlow"',),
        ('alertname="SMSWorkflowsFailing"', 'cause="sms_agent"'),
    ),
    "sms_latency": (
        (
            'alertname=~"AIProviderFailing|DatabaseFailing|ReleaseFailing|ReleaseSlow|'
            'SMSWorkflowsFailing"',
        ),
    ),
    "ai_answers": (('alertname="AIProviderFailing"',),),
    "sms_delivery": (_FAIL_FOR_OTHER,),
}
"""What spends an objective's budget, and calls somebody for it by its own name.

Such a cause has to go on firing for as long as the budget's short window remembers it, or else the
budget calls when all is over.
"""


@cache
def inhibitions() -> tuple[Inhibition, ...]:
    """All of them, the widest first."""
    every = groups(Thresholds())
    return (
        *_CAUSES,
        *(
            Inhibition(
                "It spends this budget, and somebody was called for it already.",
                source=(*cause, PAGES, 'slo=""'),
                target=(f'slo="{slo}"',),
            )
            for slo, causes in _SPENT_BY.items()
            for cause in causes
        ),
        *_of_severities(every),
        *_of_windows(every),
    )


def _of_severities(every: tuple[Group, ...]) -> Iterator[Inhibition]:
    """A page says more than the ticket of the same alert about the same thing."""
    told: dict[str, set[Severity]] = {}
    for _, threshold in _thresholds(every):
        told.setdefault(threshold.alert, set()).add(threshold.severity)
    both = [name for name, of in told.items() if {Severity.PAGE, Severity.TICKET} <= of]
    labels = _labels(every)
    for same, alike in groupby(sorted(both, key=labels.__getitem__), key=labels.__getitem__):
        named = _one_of("alertname", sorted(alike))
        yield Inhibition(
            "The page says the same, and more.",
            source=(named, PAGES),
            target=(named, TICKETS),
            same=("alertname", *same),
        )


def _of_windows(every: tuple[Group, ...]) -> Iterator[Inhibition]:
    """A budget that burns at a faster pace burns at the slower ones as well."""
    paces: dict[tuple[Severity, tuple[str, ...]], set[str]] = {}
    labels = _labels(every)
    for _, threshold in _thresholds(every):
        if window := threshold.labels.get(_WINDOW):
            paces.setdefault((threshold.severity, labels[threshold.alert]), set()).add(window)
    for (severity, same), windows in paces.items():
        ordered = sorted(windows, key=seconds)
        for position, window in enumerate(ordered[1:], start=1):
            faster = ordered[:position]
            yield Inhibition(
                "A budget that burns fast enough for the shorter window does so for the longer.",
                source=(f'severity="{severity}"', _one_of(_WINDOW, faster)),
                target=(f'severity="{severity}"', f'{_WINDOW}="{window}"'),
                same=("alertname", *same),
            )


def _labels(every: tuple[Group, ...]) -> dict[str, tuple[str, ...]]:
    """What else than job, identity and window tells two alerts of a name apart, by name."""
    semantics = Semantics(records(every), scrape_seconds())
    found: dict[str, frozenset[str]] = {}
    for signal, threshold in _thresholds(every):
        kept = semantics.labels(alert_expr(signal, threshold)) or frozenset()
        kept |= threshold.labels.keys()
        found[threshold.alert] = kept & found.get(threshold.alert, kept)
    return {name: tuple(sorted(of - {"job", *IDENTITY, _WINDOW})) for name, of in found.items()}


def _thresholds(every: tuple[Group, ...]) -> Iterator[tuple[Signal, Threshold]]:
    return ((s, t) for group in every for s in group.signals for t in s.thresholds)


def _one_of(label: str, values: list[str]) -> str:
    return f'{label}{"=~" if len(values) > 1 else "="}"{"|".join(values)}"'
