"""The active span of OpenTelemetry, where the host uses it; nothing is imported that it hasn't."""

import sys

SDK = "opentelemetry.sdk.trace"


def is_traced() -> bool:
    """Whether there can be spans: the API alone, which many libraries load, makes none."""
    return SDK in sys.modules


def active_trace_id() -> str:
    """The trace ID of the span that is active here, 32 hexadecimal digits; empty without one."""
    if SDK not in sys.modules:
        return ""
    try:
        context = sys.modules["opentelemetry.trace"].get_current_span().get_span_context()
        return f"{context.trace_id:032x}" if context.is_valid else ""
    except Exception:
        return ""
