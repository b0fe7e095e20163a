"""What evaluating all rules costs, and how many series they record: at 1, 10 and 50 instances.

The benchmark ``rules`` does it; it takes five minutes.
"""

from typing import Any

from alerts import paths
from alerts.promql import seconds
from prometheus_tools.yaml_reading import read_yaml
from stack.capacity.constants import RulesAt
from tests.bench import rule_evaluation


async def measured() -> dict[str, Any]:
    """The part ``rules`` of the constants."""
    config = read_yaml(paths.PROMETHEUS_CONFIG.read_text(encoding="utf-8"))
    measurement = await rule_evaluation.measured()
    return {
        "interval_seconds": seconds(config["global"]["evaluation_interval"]),
        "scraped": {job: each.series for job, each in measurement.exposed.items()},
        "sizes": [
            RulesAt(
                instances=cost.instances, seconds=round(cost.seconds, 4), records=cost.records
            ).model_dump()
            for cost in measurement.costs
        ],
    }
