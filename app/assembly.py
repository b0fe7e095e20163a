"""The orchestrator put together: every part made once, started and stopped in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.clients.ai_provider import AIProvider
from app.clients.collections_monitor import CollectionsMonitor
from app.clients.notification_service import NotificationService
from app.clients.sms_agent import SMSAgent
from app.clients.upstream import Breakers, Upstream
from app.core.catalogue import Component
from app.core.config import Settings
from app.core.database import Database, instrument_database
from app.core.instrumentation import Instruments
from app.core.runtime import RuntimeSampler
from app.models import Base, new_id
from app.services import rollups as rollup_store
from app.services.announcements import Announcements
from app.services.approvals import Approvals
from app.services.escalations import Escalations
from app.services.metrics_service import MetricsService
from app.services.plan_detection import PlanDetection
from app.services.rollups import Rollups
from app.services.sweep import Sweep
from app.services.workflow import Workflows

DRAIN_SECONDS = 5.0
"""How long a stopping worker waits for announcements that are under way."""


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """The parts that the API calls."""

    database: Database
    upstreams: dict[Component, Upstream]
    breakers: Breakers
    metrics: MetricsService
    workflows: Workflows
    approvals: Approvals
    escalations: Escalations
    plans: PlanDetection
    sweep: Sweep


@asynccontextmanager
async def running_orchestrator(
    settings: Settings, instruments: Instruments
) -> AsyncIterator[Orchestrator]:
    """Start every part, and stop them all at the end, with the counts written."""
    database = Database(settings.database, pool_size=settings.database_pool_size)
    instrument_database(database.engine, instruments)
    rollup_database = Database(settings.rollup_database, pool_size=2)
    rollups = Rollups(rollup_database, new_id(), instruments, settings.rollup_flush_seconds)
    metrics = MetricsService(settings, instruments, rollups)
    breakers = Breakers(settings.calls, instruments)
    urls = {
        Component.COLLECTIONS_MONITOR: settings.collections_monitor_url,
        Component.SMS_AGENT: settings.sms_agent_url,
        Component.NOTIFICATION_SERVICE: settings.notification_service_url,
        Component.AI_PROVIDER: settings.ai_provider_url,
    }
    upstreams = {
        component: Upstream(component, str(url), settings.calls, breakers, instruments)
        for component, url in urls.items()
    }
    sms_agent = SMSAgent(upstreams[Component.SMS_AGENT])
    announcements = Announcements(
        database, NotificationService(upstreams[Component.NOTIFICATION_SERVICE]), metrics
    )
    workflows = Workflows(
        settings,
        database,
        CollectionsMonitor(upstreams[Component.COLLECTIONS_MONITOR]),
        sms_agent,
        AIProvider(upstreams[Component.AI_PROVIDER], settings.ai_model, settings.ai_api_key),
        announcements,
        metrics,
    )
    escalations = Escalations(database, announcements, metrics)
    sweep = Sweep(settings, database, escalations, announcements)
    await database.create_tables(Base.metadata)
    await rollup_database.create_tables(rollup_store.metadata)
    background = [
        asyncio.create_task(part.run())
        for part in (rollups, sweep, RuntimeSampler(instruments, "orchestrator"))
    ]
    try:
        yield Orchestrator(
            database=database,
            upstreams=upstreams,
            breakers=breakers,
            metrics=metrics,
            workflows=workflows,
            approvals=Approvals(database, sms_agent, announcements, metrics),
            escalations=escalations,
            plans=PlanDetection(settings.payment_plans, database, metrics),
            sweep=sweep,
        )
    finally:
        await announcements.drain(DRAIN_SECONDS)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await rollups.flush()
        for upstream in upstreams.values():
            await upstream.close()
        await rollup_database.close()
        await database.close()
