"""What a real orchestrator logs for an SMS, as it is set and with a tenth of info lines kept.

Beside it what `python -m stack capacity` computes from a run in which every line was written. What
1,000 SMS a second write in a day follows from both.
"""

from stack.capacity.estimate import Estimate
from stack.capacity.size import Size
from tests.capacity.service import logged

SMS = 200
SHARES = (1.0, 0.1)
SMS_PER_SECOND = 1000


async def run() -> None:
    """Print lines and bytes, measured and computed."""
    print(f"\n{'info lines kept':>15} {'lines an SMS':>24} {'bytes an SMS':>24} {'GB a day':>12}")
    print(f"{'':>15} {'measured':>12} {'formula':>11} {'measured':>12} {'formula':>11}")
    for share in SHARES:
        lines, size = await logged(SMS, LOGS__SAMPLE_INFO=str(share))
        of = Estimate(Size(SMS_PER_SECOND, 40, keep_info=share))
        day = of.log_bytes_per_day / 1e9
        print(
            f"{share:>15.0%} {lines:>12.1f} {of.lines_per_sms:>11.1f} {size:>12,.0f} "
            f"{of.log_bytes_per_sms:>11,.0f} {day:>12,.0f}  at {SMS_PER_SECOND:,} SMS/s",
            flush=True,
        )
