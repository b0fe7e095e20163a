"""How large a deployment is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """``retention_days`` are those of the samples; ``keep_info`` is the share of info lines kept.

    Each instance has a machine of its own with a node_exporter.
    """

    sms_per_second: float
    instances: int
    workers: int = 1
    retention_days: float = 60
    keep_info: float = 1.0

    @property
    def sms_per_day(self) -> float:
        return self.sms_per_second * 86400

    @property
    def of_an_instance(self) -> float:
        """SMS/s of one instance."""
        return self.sms_per_second / self.instances
