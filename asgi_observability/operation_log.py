"""The log of timed operations: most of them sampled, all that were slow or failed."""

from collections.abc import Mapping

from asgi_observability.code_names import error_type_of
from asgi_observability.event import FromCode
from asgi_observability.events import (
    OperationCancelled,
    OperationCompleted,
    OperationFailed,
    OperationSlow,
)
from asgi_observability.logger import get_logger

log = get_logger("operations")

MAX_THRESHOLDS = 2000
"""Of operations that are remembered; whoever makes up more names has them looked up each time."""


class OperationLog:
    """Logs each operation's duration at its event's sampling rate.

    Above its threshold, in seconds, a warning says so, which no sampling leaves out.
    ``slow_seconds`` is looked up by ``component.operation``, then by component, then for
    ``default``.
    """

    def __init__(self, slow_seconds: Mapping[str, float]) -> None:
        self._slow_seconds = slow_seconds
        self._default = slow_seconds.get("default", float("inf"))
        self._thresholds: dict[tuple[str, str], float] = {}

    def threshold(self, component: str, name: str) -> float:
        """The seconds above which an operation is slow."""
        try:
            return self._thresholds[component, name]
        except KeyError:
            by_component = self._slow_seconds.get(str(component), self._default)
            found = self._slow_seconds.get(f"{component}.{name}", by_component)
            if len(self._thresholds) < MAX_THRESHOLDS:
                self._thresholds[component, name] = found
            return found

    def succeeded(self, component: str, name: str, seconds: float) -> None:
        """An operation ended well."""
        threshold = self.threshold(component, name)
        if seconds > threshold:
            log.event(
                OperationSlow(
                    component=FromCode(component),
                    operation=FromCode(name),
                    duration_ms=round(seconds * 1000, 1),
                    threshold_ms=threshold * 1000,
                )
            )
        else:
            log.event(
                OperationCompleted(
                    component=FromCode(component),
                    operation=FromCode(name),
                    duration_ms=round(seconds * 1000, 1),
                )
            )

    def failed(self, component: str, name: str, seconds: float, error: BaseException) -> None:
        """An operation ended by ``error``, or was cancelled."""
        if not isinstance(error, Exception):
            log.event(
                OperationCancelled(
                    component=FromCode(component),
                    operation=FromCode(name),
                    duration_ms=round(seconds * 1000, 1),
                )
            )
            return
        self.refused(component, name, error_type_of(error), seconds)

    def refused(self, component: str, name: str, error_type: str, seconds: float = 0.0) -> None:
        """An operation failed for a known reason, perhaps before it began."""
        log.event(
            OperationFailed(
                component=FromCode(component),
                operation=FromCode(name),
                duration_ms=round(seconds * 1000, 1),
                error_type=FromCode(error_type),
            )
        )
