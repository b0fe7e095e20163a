"""Services: each operation's rate, errors and duration, and what it waits for."""

from alerts.model import Dashboard
from app.core import catalogue
from app.core.catalogue import BreakerState
from dashboards.grafana import Panel
from dashboards.house_style import Colour, Query, of, state_timeline

BREAKER_STATES = {
    "0": ("closed", Colour.GOOD),
    "1": ("half open", Colour.WARNING),
    "2": ("open", Colour.BAD),
}


def breakers_timeline() -> Panel:
    """The state that each upstream's breakers are in; the worst, where workers differ."""

    def in_state(state: BreakerState) -> str:
        matchers = f'state="{state}"'
        return f"(max by (component) ({of(catalogue.CIRCUIT_BREAKER_STATE, matchers)}) > bool 0)"

    return state_timeline(
        "Breakers",
        "Open: calls are refused without being tried; half open: one is tried, after 60 s. Good is "
        "closed.",
        Query(
            f"clamp_max({in_state(BreakerState.OPEN)} * 2 + {in_state(BreakerState.HALF_OPEN)}, 2)",
            "{{component}}",
        ),
        states=BREAKER_STATES,
        links=(Dashboard.SERVICES,),
    )
