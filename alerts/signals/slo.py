"""Service level objectives: how much of each budget is left, how fast it burns.

What is promised is declared in app/core/objectives.py; that somebody can reach the service at all,
which it can't count itself, is declared here. Everything else follows: burn rates over five
windows, the budget that is left of the period, and alerts after the Google SRE workbook, "Alerting
on SLOs", multi-window and multi-burn-rate.

How late a page is: with every request failing, 1.4 % of an hour is over after 52 s. Sloth's form of
the same rule pages then. Here it is about 2 minutes more, because failures have to be seen for
longer than one burst makes them, by two evaluations.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from alerts.counted import LASTING, added, events, seen, share, step
from alerts.exporters import UP
from alerts.logs import LogQuery
from alerts.model import (
    Comparison,
    Dashboard,
    Group,
    Guard,
    Record,
    Severity,
    Signal,
    Team,
    Threshold,
    Unit,
)
from alerts.promql import at_most, beyond, ratio, seconds
from alerts.signals import sms
from alerts.signals.scraping import REACHABLE
from app.core.events import ServiceStarted, StartRefused
from app.core.objectives import SMS_LATENCY, Counted, Events, Objective, Values, objectives
from app.core.thresholds import BURN_LIMITS, BurnLimit, Thresholds

_ON = ("job", "slo")


@dataclass(frozen=True, slots=True)
class BurnRate:
    """A limit as its alert has it: windows as PromQL writes them.

    Both windows have to be above: the long one is proof enough to act, the short one, a twelfth of
    it, lets the alert end soon after the errors do. ``pending`` is short, because failures that go
    on are asked for besides.
    """

    limit: BurnLimit
    long: str
    short: str
    pending: str

    @property
    def severity(self) -> Severity:
        return Severity(self.limit.urgency)

    def factor(self, period_days: float) -> float:
        """The burn rate: 1 uses up the budget in exactly the period."""
        return self.limit.factor(period_days)


BURN_RATES = tuple(
    BurnRate(limit, long, short, pending)
    for limit, (long, short, pending) in zip(
        BURN_LIMITS, (("1h", "5m", "30s"), ("6h", "30m", "2m"), ("3d", "6h", "5m")), strict=True
    )
)
EVIDENCE = "30m"
"""Within this failures have to be seen more than once, so that one burst calls nobody."""
FAST, SLOW = ("5m", "30m", "1h"), ("6h", "3d")
"""Windows evaluated with every scrape, and those that change so little that a minute will do."""

TOTAL, ERRORS = "job_slo:sli_total:rate2m", "job_slo:sli_errors:rate2m"
SLICE = "5m"
SLICE_TOTAL = Record(f"job_slo:sli_total:increase{SLICE}", added(TOTAL, SLICE))
SLICE_ERRORS = Record(f"job_slo:sli_errors:increase{SLICE}", added(ERRORS, SLICE))
"""Events of 5 minutes: windows of days add these up, one in 5 minutes, however many there are."""


def lasting(window: str) -> Record:
    """For how many seconds of ``window`` failures were seen."""
    return Record(f"job_slo:sli_errors:seen_seconds{window}", seen(ERRORS, window, every=15))


def turns(window: str) -> Record:
    """How often the service went away or came back within ``window``."""
    return Record(f"job:{UP.name}:reachable_changes{window}", f"changes({REACHABLE}[{window}])")


def _goes_on(_burn: BurnRate) -> Guard:
    # Half an hour for the fastest pace too: of few SMS an hour one fails at a time. What that pace
    # does not tell, nobody would, for it holds the slower ones back.
    return Guard(lasting(EVIDENCE), Comparison.AT_LEAST, LASTING, _ON)


def _comes_again(burn: BurnRate) -> Guard:
    # Away, back, away again.
    return Guard(turns(burn.long), Comparison.AT_LEAST, 3, ("job",))


@dataclass(frozen=True, slots=True)
class Promised:
    """An objective in PromQL: events a second by job, and those of them that failed.

    ``counted`` is what these are sums of, where they share it: rates of counters are what costs.
    ``evidence`` is what a page asks for besides, so that one burst calls nobody; ``keep_firing`` is
    for how long it goes on after the last, so that what comes again is told once.
    """

    objective: Objective
    total: str
    errors: str
    counted: Record | None = None
    evidence: Callable[[BurnRate], Guard] = _goes_on
    keep_firing: str = "0s"


def reachability(thresholds: Thresholds) -> Promised:
    """Seconds in which no instance could be reached, of all seconds.

    One outage pages as ServiceDown. The budget pages for short ones that come again and again.
    """
    return Promised(
        Objective(
            name="reachable",
            alert="ReachabilityBudgetBurn",
            objective=thresholds.availability_objective,
            promise="the time, one of its instances can be reached",
            failing="can't be reached, again and again",
            impact="Nobody is answered meanwhile, and SMS are not accepted.",
            action="Look at what restarts it or cuts it off: releases, memory, the network.",
            logged=(ServiceStarted, StartRefused),
        ),
        total=f"0 * {REACHABLE} + 1",
        # Averaged, so that what lasts for less than the minutes that are added up is in them.
        errors=f"1 - avg_over_time({REACHABLE}[2m])",
        evidence=_comes_again,
        keep_firing="15m",
    )


def promised(thresholds: Thresholds) -> tuple[Promised, ...]:
    """What the service promises (docs/domain.md, "What it promises")."""
    return (*map(_in_promql, objectives(thresholds)), reachability(thresholds))


def counted(slo: str, of: Events) -> Record:
    """Events a second that an objective counts, by the labels that say which of them failed."""
    labels = [label for label in of.metric.label_names if label in {**of.failed, **of.but_not}]
    return Record(
        f"{'_'.join(('job', *labels))}:sli_{slo}:rate2m",
        events(f"{of.metric.count}{_braces(of.among, of.but_not)}", ", ".join(("job", *labels))),
    )


def _in_promql(one: Counted) -> Promised:
    of = one.events
    if of.within is not None:
        return _in_time(one, at_most(of.metric, of.within, of.within_setting))
    record = counted(one.objective.name, of)
    failed = f"sum by (job) ({record}{_braces(of.failed, {})})"
    # A family that has not failed yet has no series of it.
    errors = f"{failed} or on (job) 0 * {_known(one.objective.name)}"
    return Promised(one.objective, f"sum by (job) ({record})", errors, record)


def _in_time(one: Counted, within: str) -> Promised:
    """What did not fail, and took no longer, was kept; whatever else there was, was not."""
    of, none = one.events, f"0 * {_known(one.objective.name)}"
    total = events(f"{of.metric.count}{_braces(of.among, of.but_not)}", "job")
    not_failed = {**of.but_not, **of.failed}
    kept = events(f"{of.metric.bucket}{_braces(of.among, not_failed, within)}", "job")
    errors = beyond(_known(one.objective.name), f"({kept} or on (job) {none})", "job")
    return Promised(one.objective, total, errors)


def _braces(among: Values, but_not: Values, *others: str) -> str:
    matchers = [_matcher(name, values, "=", "=~") for name, values in among.items()]
    matchers += [_matcher(name, values, "!=", "!~") for name, values in but_not.items()]
    text = ",".join((*matchers, *others))
    return f"{{{text}}}" if text else ""


def _matcher(name: str, values: tuple[str, ...], exactly: str, alike: str) -> str:
    text = "|".join(values)
    if len(values) == 1 and not text.endswith("*"):
        return f'{name}{exactly}"{text}"'
    return f'{name}{alike}"{text.replace("*", ".*")}"'


def _known(slo: str) -> str:
    return f'{TOTAL}{{slo="{slo}"}}'


def error_ratio(window: str) -> Record:
    """The share of the events of ``window`` that failed.

    Time of which nothing is known counts as fine, with as many events as there were in the rest:
    else the minutes after a start or a gap would be all there is, and any failure most of it.
    """
    return Record(f"job_slo:sli_errors:ratio_rate{window}", _share(window))


def _share(window: str) -> str:
    if window in FAST:
        count, range_ = seconds(window) // step(window), f"[{window}:{step(window)}s]"
        total, errors = TOTAL, ERRORS
    else:
        count, range_ = seconds(window) // seconds(SLICE), f"[{window}:{SLICE}]"
        total, errors = SLICE_TOTAL.name, SLICE_ERRORS.name
    return ratio(f"sum_over_time({errors}{range_}) / {count}", f"avg_over_time({total}{range_})")


def burn_rate(window: str) -> Record:
    """How many times as fast as allowed the budget was used up over ``window``."""
    return Record(
        f"job_slo:slo_error_budget:burn_rate{window}",
        f"{error_ratio(window)} / (1 - {OBJECTIVE})",
    )


def failures(window: str) -> Record:
    """How many events failed within ``window``: few of them call nobody, whatever their share."""
    counted = (
        f"sum_over_time({SLICE_ERRORS}[{window}:{SLICE}])"
        if window in SLOW
        else added(ERRORS, window)
    )
    return Record(f"job_slo:sli_errors:increase{window}", counted)


def untold(burn: BurnRate, thresholds: Thresholds) -> Record:
    """The burn rate over the long window of ``burn``, unless it was told within that window.

    While it falls below what is told, it would else be told once more, as a slower one.
    """
    rate, factor = burn_rate(burn.long), burn.factor(thresholds.slo_period_days)
    return Record(
        f"{rate}_untold", f"{rate} unless max_over_time({rate}[{burn.long}:{SLICE}]) >= {factor:g}"
    )


def without_told(objective: Objective, window: str, thresholds: Thresholds) -> Record:
    """The burn rate without the workflows that failed while so many did that it was told by name.

    The window remembers them long after, and would call again for the few SMS that are late while
    what failed is run again. Of few SMS an hour too few fail to be told by name.
    """
    many = f"{sms.FAILED} / ({sms.TOTAL} > 0) > bool {thresholds.sms_failed_ratio:g}"
    enough = f"{sms.FAILED} > bool {sms.least_told(thresholds):g}"
    told = share(f"({sms.FAILED} * ({many}) * ({enough}))", sms.TOTAL.name, window)
    return Record(
        f"job_slo:slo_error_budget:burn_rate{window}_without_told",
        f'{burn_rate(window)}{{slo="{objective.name}"}} '
        f"- on (job) group_left () ({told} / {objective.budget:g})",
    )


OBJECTIVE = "job_slo:slo_objective:ratio"


def objective_record(objective: Objective) -> Record:
    """The objective itself, for dashboards and for what is computed from it.

    Also while the service is away: its budget is spent then.
    """
    known = f"last_over_time({_known(objective.name)}[1h])"
    return Record(OBJECTIVE, f"0 * {known} + {objective.objective:g}", {"slo": objective.name})


def period_error_ratio(thresholds: Thresholds) -> Record:
    """The share of the events of the budget's period that failed; as of the other windows."""
    return Record("job_slo:sli_errors:ratio_rate_period", _share(f"{thresholds.slo_period_days}d"))


def period_failures(thresholds: Thresholds) -> Record:
    """How many events failed in the budget's period."""
    period = f"{thresholds.slo_period_days}d"
    return Record(
        "job_slo:sli_errors:increase_period", f"sum_over_time({SLICE_ERRORS}[{period}:{SLICE}])"
    )


BUDGET_SPENT = Record(
    "job_slo:slo_error_budget:spent_ratio",
    f"job_slo:sli_errors:ratio_rate_period / (1 - {OBJECTIVE})",
)
BUDGET_LEFT = Record("job_slo:slo_error_budget:remaining_ratio", f"1 - {BUDGET_SPENT}")


def burning(
    one: Promised, burn: BurnRate, faster: BurnRate | None, thresholds: Thresholds
) -> Signal:
    """How fast a budget burns over the long window of ``burn``, where ``faster`` is not told."""
    period_days = thresholds.slo_period_days
    objective, factor = one.objective, burn.factor(period_days)
    share = Unit.RATIO.text(objective.objective)
    if faster is not None and burn.short == faster.long:
        short = untold(faster, thresholds)
    else:
        short = burn_rate(burn.short)
    guards = [Guard(short, Comparison.ABOVE, factor, _ON)]
    if faster is not None and burn.short != faster.long:
        # What came faster has been told. It would be told again, when it is over, for as long as
        # this window is.
        told = burn_rate(faster.long)
        guards.append(Guard(told, Comparison.BELOW, faster.factor(period_days), _ON))
    return Signal(
        title=f"{objective.name}: burn rate over {burn.long}",
        meaning=f"Promised: {share} of {objective.promise}. How many times as fast as allowed the "
        f"budget of {Unit.RATIO.text(objective.budget)} is used up. Good is below 1.",
        unit=Unit.COUNT,
        source=burn_rate(burn.long),
        thresholds=(
            Threshold(
                alert=objective.alert,
                comparison=Comparison.ABOVE,
                value=factor,
                severity=burn.severity,
                team=Team.ORCHESTRATOR,
                summary=f"{{{{ $labels.job }}}} {objective.failing} ({burn.long})",
                description=f"{objective.impact} The error budget of {period_days} days is used "
                f"up {{{{ $value | humanize }}}} times as fast as the objective of {share} allows.",
                action=objective.action,
                logs=LogQuery(objective.logged, where=objective.logged_where),
                pending=burn.pending,
                keep_firing=one.keep_firing,
                matchers=f'slo="{objective.name}"',
                guards=(
                    *guards,
                    Guard(
                        failures(burn.long), Comparison.AT_LEAST, thresholds.minimum_failures, _ON
                    ),
                    *([one.evidence(burn)] if burn.severity is Severity.PAGE else []),
                    *(
                        [
                            Guard(
                                without_told(objective, burn.long, thresholds),
                                Comparison.ABOVE,
                                factor,
                                _ON,
                            )
                        ]
                        if objective.name == SMS_LATENCY and burn.long in FAST
                        else []
                    ),
                ),
                labels={"window": burn.long},
                absence="ServiceDown",
            ),
        ),
    )


def spent(thresholds: Thresholds) -> Signal:
    """How much of each budget is used up."""
    return Signal(
        title="Error budget used up",
        meaning="Share of the errors that the objective allows in its period and that there were. "
        "Good is below 100%.",
        unit=Unit.RATIO,
        source=BUDGET_SPENT,
        thresholds=(
            Threshold(
                alert="ErrorBudgetSpent",
                comparison=Comparison.AT_LEAST,
                value=1,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="The error budget of {{ $labels.job }} for {{ $labels.slo }} is used up",
                description=f"Over {thresholds.slo_period_days} days there were more errors than "
                "promised. Share of the budget used.",
                action="Until old errors leave the period, release only what makes it more "
                "reliable. Find what used the budget up on the dashboard.",
                pending="5m",
                guards=(
                    Guard(
                        period_failures(thresholds),
                        Comparison.AT_LEAST,
                        thresholds.minimum_failures,
                        _ON,
                    ),
                ),
                logs=LogQuery(level="error"),
            ),
        ),
    )


def _signals(thresholds: Thresholds, windows: tuple[str, ...]) -> Iterator[Signal]:
    """The burn rates of each objective whose long window is one of ``windows``."""
    for one in promised(thresholds):
        rates = [rate for rate in BURN_RATES if rate.limit in one.objective.limits]
        for faster, burn in pairwise((None, *rates)):
            assert burn is not None
            if burn.long in windows:
                yield burning(one, burn, faster, thresholds)


def groups(thresholds: Thresholds) -> tuple[Group, ...]:
    """The rules of the objectives: events, windows of hours, windows of days."""
    every = promised(thresholds)
    labelled = [(each, {"slo": each.objective.name}) for each in every]
    paging = [burn for burn in BURN_RATES if burn.severity is Severity.PAGE]
    return (
        Group(
            name="slo_events",
            dashboard=Dashboard.ALERTS,
            source="slo",
            about="Objectives: what counts, what fails, what is promised.",
            follows=("scraping",),
            records=(
                *(each.counted for each in every if each.counted),
                *(Record(TOTAL, each.total, labels) for each, labels in labelled),
                *(Record(ERRORS, each.errors, labels) for each, labels in labelled),
                *(objective_record(each.objective) for each in every),
            ),
            signals=(),
        ),
        Group(
            name="slo",
            dashboard=Dashboard.ALERTS,
            source="slo",
            about="Objectives over an hour and less: the burn rates that page at once.",
            follows=("slo_events", "scraping", "sms"),
            records=(
                *(make(window) for window in FAST for make in (error_ratio, burn_rate)),
                *(failures(burn.long) for burn in BURN_RATES if burn.long in FAST),
                lasting(EVIDENCE),
                *(turns(burn.long) for burn in paging),
                *(
                    without_told(each.objective, burn.long, thresholds)
                    for each in every
                    for burn in paging
                    if each.objective.name == SMS_LATENCY and burn.long in FAST
                ),
            ),
            signals=tuple(_signals(thresholds, FAST)),
        ),
        Group(
            name="slo_slices",
            dashboard=Dashboard.ALERTS,
            source="slo",
            about="Objectives, events of 5 minutes each.",
            interval=SLICE,
            follows=("slo_events",),
            records=(SLICE_TOTAL, SLICE_ERRORS),
            signals=(),
        ),
        Group(
            name="slo_long",
            dashboard=Dashboard.ALERTS,
            source="slo",
            about="Objectives over hours and days: slower burn rates, and the budget that is left.",
            interval="1m",
            follows=("slo_events", "slo", "slo_slices"),
            records=(
                *(make(window) for window in SLOW for make in (error_ratio, burn_rate, failures)),
                *(
                    untold(faster, thresholds)
                    for faster, burn in pairwise(BURN_RATES)
                    if burn.short == faster.long
                ),
                *(period_error_ratio(thresholds), period_failures(thresholds)),
                *(BUDGET_SPENT, BUDGET_LEFT),
            ),
            signals=(*_signals(thresholds, SLOW), spent(thresholds)),
        ),
    )
