"""Mutants that change nothing which can be, each with the reason."""

import re

from prometheus_tools.mutation import Mutant

_OTHER_SIDE = (
    "the other side of the division or of the `and` has the same labels and selects by the same "
    "matcher: what is added on one side finds no partner"
)
_SAME_LABELS = (
    "`unless` compares all labels: what the offset selects besides has none of what begins here"
)
_ROUNDED = (
    "a difference of rates is freed of its last digits; half of a billionth does that as well"
)
_RECORDED = r"job_instance\S*:node_(filesystem_(avail|files_free)|memory_available|cpu_busy)\S*"
_WRITABLE = r"job_instance_device_mountpoint:node_filesystem_full:seconds_left"
_CLOCK = r"job_instance:node_clock_difference_seconds:abs"
_USUAL = r"(job|job_week):orchestrator_sms_received:usual_avg1h"

_REASONS = {
    rf'node: ({_RECORDED}|{_WRITABLE}|{_CLOCK}): .* without job="node"': _OTHER_SIDE,
    rf"node: {_WRITABLE}: .* without (fstype|mountpoint)!~.*": _OTHER_SIDE,
    rf'arrivals: {_USUAL}: .* without signal="sms_volume"': _OTHER_SIDE,
    r"arrivals: SMSMissing \(page\): `0\.5` at \d+ becomes 0\.(525|475)": (
        "weeks that are known are counted: there is none between 0 and 1"
    ),
    r"scraping: InstancesMissing \(ticket\): `0\.5` at \d+ becomes 0\.475": (
        "numbers of instances, and the middle one of them, are whole or half ones"
    ),
    r"scraping: ServiceDown \(page\): .* at \d+ without job=.*": (
        "the record is of that job alone; boards have to know"
    ),
    r"scraping: TargetDown \(ticket\): by \(.*\) at \d+ without job": (
        "the alert sets the label itself, and selects by it"
    ),
    r"http: \S+:intake_rate2m: .* at 367 without .*": _SAME_LABELS,
    r"slo_events: \S+:sli_(availability:rate2m: .* at 417|ai_answers:rate2m: .* at 395"
    r"|sms_delivery:rate2m: .* at 389|errors:rate2m \(sms_latency\): .* at 499) without .*": (
        _SAME_LABELS
    ),
    r"release: \S+:(served_rate2m: .* at 415|served_slow_rate2m: .* at 1030) without .*": (
        _SAME_LABELS
    ),
    r'release: \S+:served_error_growth30m: .* without slo="availability"': _OTHER_SIDE,
    r".*: `0\.000000001` at \d+ becomes 5e-10": _ROUNDED,
}
"""Why no test can notice mutants, by an expression for them in words."""


def reason(mutant: Mutant) -> str:
    """Why nothing can notice the mutant; empty where something has to."""
    said = str(mutant)
    return next((why for words, why in _REASONS.items() if re.fullmatch(words, said)), "")
