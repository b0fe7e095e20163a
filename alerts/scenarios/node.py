"""Machines: disks that fill slowly or at once, and such as may be full."""

from alerts import exporters
from alerts.scenarios.changes import Sets
from alerts.scenarios.scenario import MONDAY_MORNING, TICKET, Scenario, Told
from alerts.scenarios.world import Change, World

_ROOT = {"device": "/dev/vda1", "fstype": "ext4", "mountpoint": "/"}
_BOOT = {"device": "/dev/vda2", "fstype": "ext4", "mountpoint": "/boot"}


def _disk(labels: dict[str, str], size: float, left: float) -> tuple[Change, ...]:
    return (
        Sets(exporters.FILESYSTEM_SIZE, size, since=-10_000, labels=labels),
        Sets(exporters.FILESYSTEM_AVAILABLE, left, since=-10_000, labels=labels),
        Sets(exporters.FILESYSTEM_READ_ONLY, 0, since=-10_000, labels=labels),
    )


SCENARIOS = (
    Scenario(
        name="A disk fills within minutes",
        story="A dump fills the disk to 97 % in ten minutes; it is deleted 40 minutes later.",
        begins=MONDAY_MORNING,
        lasts=90,
        world=World(
            changes=(
                Sets(
                    exporters.FILESYSTEM_AVAILABLE, 60e9, until=10, per_minute=-5.7e9, labels=_ROOT
                ),
                Sets(exporters.FILESYSTEM_AVAILABLE, 3e9, since=10, until=50, labels=_ROOT),
            )
        ),
        told=(Told("NodeDiskFull", team="platform", within=17, over=52),),
    ),
    Scenario(
        name="A disk fills within a day",
        story="A disk with 34 % left loses 4 % an hour. In the end it is emptied.",
        begins=MONDAY_MORNING,
        lasts=8 * 60,
        step=60,
        groups=("node",),
        world=World(
            changes=(
                Sets(
                    exporters.FILESYSTEM_AVAILABLE,
                    34e9,
                    until=7 * 60,
                    per_minute=-4e9 / 60,
                    labels=_ROOT,
                ),
            )
        ),
        told=(
            Told("NodeDiskFilling", TICKET, "platform", within=5 * 60, over=8 * 60),
            Told("NodeDiskFull", TICKET, "platform", within=7.5 * 60, over=8 * 60),
        ),
    ),
    Scenario(
        name="A boot partition is full",
        story="An update has filled /boot, where nothing of the service is ever written.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=_disk(_BOOT, 1e9, 1e7)),
    ),
    Scenario(
        name="A machine's clock is wrong",
        story="The clock of the machine is 20 s ahead of Prometheus's for half an hour.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=(Sets(exporters.NODE_TIME, 40 * 60 + 20, until=30, per_minute=60),)),
        told=(Told("ClocksDisagree", TICKET, "platform", within=12, over=36),),
    ),
)
