"""Switches faults on and off, and closes or opens the ports that they concern."""

import asyncio
from collections.abc import Mapping

from simulator.faults import FAULTS, ActiveFaults, Effect, Fault, Upstream
from simulator.listener import Listener


class Switchboard:
    """What the control API works on."""

    def __init__(self, faults: ActiveFaults, listeners: Mapping[Upstream, Listener]) -> None:
        self._faults = faults
        self._listeners = listeners
        self._lock = asyncio.Lock()

    async def switch_on(self, name: str) -> None:
        """Raises UnknownFaultError."""
        async with self._lock:
            self._faults.switch_on(name)
            if listener := self._closed_by(FAULTS[name]):
                await listener.close()

    async def switch_off(self, name: str) -> None:
        """Raises UnknownFaultError; CannotListenError if the port is taken: the fault stays on."""
        async with self._lock:
            if name in FAULTS and (listener := self._closed_by(FAULTS[name])):
                await listener.open()
            self._faults.switch_off(name)

    async def all_off(self) -> None:
        """Raises CannotListenError where a port is taken; the faults after that one stay on."""
        for name in FAULTS:
            await self.switch_off(name)

    def _closed_by(self, fault: Fault) -> Listener | None:
        if fault.effect is Effect.DOWN and fault.upstream:
            return self._listeners[fault.upstream]
        return None
