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
    return running_of(f"{BUILD_INFO.name}{at}", f"{UP.name}{at}")


def running_of(build: str, up: str) -> str:
    """The same of the series ``build`` and ``up``."""
    return f"({build} and on (job, instance) {up} or {_of_unlabelled(build, up)})"


def exposed() -> str:
    """``build_info`` for whoever only asks which instances have one, and joins it to theirs."""
    return f"({BUILD_INFO.name} or {_of_unlabelled(BUILD_INFO.name, UP.name)})"


def _of_unlabelled(build: str, up: str) -> str:
    """As the targets are labelled that don't say an environment."""
    unlabelled = f"{build} unless on (job, instance) {up}"
    return f'label_replace({unlabelled}, "{_OWN}", "", "", "")'
