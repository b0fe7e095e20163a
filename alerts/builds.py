"""Which version each instance runs, told as the rest of its series tell where it runs."""

from alerts.exporters import UP
from app.core.catalogue import BUILD_INFO

_OWN = "environment"
"""What the version's series says of itself, and no other series of the instance does."""


def running(offset: str = "") -> str:
    """``build_info``, as it was ``offset`` ago ("1h"), so that it joins the instance's series.

    Where targets are labelled with their environment, Prometheus puts that into ``build_info`` as
    well. Where they are not, the environment there is the service's own word, and would match none
    of its other series.
    """
    at = f" offset {offset}" if offset else ""
    build, up = f"{BUILD_INFO.name}{at}", f"{UP.name}{at}"
    own = f'label_replace({build} unless on (job, instance) {up}, "{_OWN}", "", "", "")'
    return f"({build} and on (job, instance) {up} or {own})"
