"""What is observed: OpenTelemetry calls it the resource."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """One service in one environment: on every log line, and in the labels of `build_info`."""

    service: str
    version: str = ""
    environment: str = "development"
