"""What a service says at `/metrics`."""

import httpx
from prometheus_client.parser import text_string_to_metric_families


async def summed(client: httpx.AsyncClient, series: str, **labels: str) -> float:
    """The sum over all series of that name that have these labels."""
    exposed = (await client.get("/metrics")).raise_for_status().text
    return summed_in(exposed, series, **labels)


def summed_in(exposed: str, series: str, **labels: str) -> float:
    """The same of what it has said."""
    # To parse all of it takes longer than the service took to write it.
    lines = [f"{line}\n" for line in exposed.splitlines() if line.startswith(series)]
    return sum(
        sample.value
        for family in text_string_to_metric_families("".join(lines))
        for sample in family.samples
        if sample.name == series and labels.items() <= sample.labels.items()
    )
