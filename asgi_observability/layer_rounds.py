"""What the layer itself does once a second, in a service with an event loop or without one."""

from asgi_observability.background import Background, Rounds
from asgi_observability.instruments import Instruments
from asgi_observability.log_levels import LogLevels
from asgi_observability.log_metrics import LogMetrics
from asgi_observability.runtime import SAMPLE_SECONDS, RuntimeSampler
from asgi_observability.workers import TASK, Workers


class LayerRounds:
    """Sampling, the counts and levels of the log, and the snapshot for the other workers.

    All of it is done in a thread of its own, so that neither a busy event loop nor a full executor
    holds it up, and it holds up no event loop. The lag alone is measured on the loop.
    """

    def __init__(
        self,
        instruments: Instruments,
        runtime: RuntimeSampler,
        workers: Workers,
        log_levels: LogLevels | None = None,
        log_metrics: LogMetrics | None = None,
    ) -> None:
        self._runtime = runtime
        self._background = Background(instruments)
        self.thread = Rounds(self._background, SAMPLE_SECONDS)
        self.thread.add("runtime", runtime.sample)
        if log_metrics:
            self.thread.add("log_metrics", log_metrics.look)
        if log_levels:
            self.thread.add("log_levels", log_levels.look)
        # The last one, so that it has what the others have noted.
        self.thread.add(TASK, workers.leave_snapshot)

    async def run(self) -> None:
        """Do it until cancelled. A thread that has ended, or could not begin, is begun again."""
        try:
            await self._background.every("event_loop", SAMPLE_SECONDS, self._on_loop)
        finally:
            self.thread.stop()

    async def _on_loop(self) -> None:
        self.thread.start()
        await self._runtime.sample_loop()
