"""The orchestrator put together: every part made once, started and stopped in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy.exc import SQLAlchemyError

from app.clients.ai_provider import AIProvider
from app.clients.collections_monitor import CollectionsMonitor
from app.clients.notification_service import NotificationService
from app.clients.sms_agent import SMSAgent
from app.clients.upstream import Breakers, Upstream
from app.core.catalogue import FACTS, Component
from app.core.config import Settings
from app.core.database import Database, instrument_database
from app.core.events import RollupsLost
from app.core.facts import FactCounters
from app.core.failed_writes import FailedWrites
from app.core.wall_time import WallTime
from app.models import new_id
from app.services.announcements import CLAIM_MARGIN_SECONDS, Announcements
from app.services.approvals import Approvals
from app.services.backlog import Backlog
from app.services.database_start import DatabaseStart
from app.services.dependency_probe import DependencyProbe
from app.services.erasure import Erasure
from app.services.escalations import Escalations
from app.services.measures import rolled_up
from app.services.metrics_report import MetricsReport
from app.services.metrics_service import MetricsService
from app.services.payment_plans import PaymentPlans
from app.services.range_figures import RangeFigures
from app.services.range_queries import RangePlanner
from app.services.recovery import Recovery
from app.services.rollups import Consolidation, Expiry, FactStore, Rollups, Store
from app.services.sweep import Sweep
from app.services.worker_state import WorkerState
from app.services.workflow import Workflows
from app.services.worklists import Worklists
from asgi_observability.background import Background
from asgi_observability.event import FromCode
from asgi_observability.logging import get_logger
from asgi_observability.observability import Observability

log = get_logger(__name__)

ROLLUPS_TIMEOUT_SECONDS = 2.0
"""How long a step of the rollups waits for a store that is locked or stopped; they try again."""

STOP_DRAIN_SECONDS = 5.0
"""How long a stopping worker waits for announcements that are under way."""


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """The parts that the API calls."""

    zone: ZoneInfo
    database: Database
    start: DatabaseStart
    dependencies: DependencyProbe
    report: MetricsReport
    range_planner: RangePlanner
    range_figures: RangeFigures
    workflows: Workflows
    approvals: Approvals
    escalations: Escalations
    plans: PaymentPlans
    sweep: Sweep
    erasure: Erasure
    recovery: Recovery
    worklists: Worklists


@asynccontextmanager
async def running_orchestrator(
    settings: Settings, observability: Observability
) -> AsyncIterator[Orchestrator]:
    """Start every part, and stop them all at the end, with the counts written."""
    instruments = observability.instruments
    shared = settings.worker_metrics_dir
    database = Database(
        settings.database,
        pool_size=settings.database_pool_size,
        fact_counters=FactCounters(instruments),
        timeout_seconds=settings.database_timeout_seconds,
        failed_writes=FailedWrites(shared and shared / "database-unwritable"),
    )
    instrument_database(database, instruments)
    metrics = MetricsService(settings, instruments)
    breakers = Breakers(settings.calls, instruments)
    urls = {
        Component.COLLECTIONS_MONITOR: settings.collections_monitor_url,
        Component.SMS_AGENT: settings.sms_agent_url,
        Component.NOTIFICATION_SERVICE: settings.notification_service_url,
        Component.AI_PROVIDER: settings.ai_provider_url,
    }
    # The others are internal services, which no proxy is for.
    proxies = {Component.AI_PROVIDER: settings.ai_proxy}
    upstreams = {
        component: Upstream(
            component,
            str(url),
            calls=settings.calls,
            breakers=breakers,
            instruments=instruments,
            proxy=proxies.get(component),
        )
        for component, url in urls.items()
    }
    periodic, wall_time = Background(instruments), WallTime(instruments)
    backlog = Backlog(database, instruments, settings.backlog_interval_seconds)
    rollup_database = Database(
        settings.rollup_database,
        pool_size=settings.rollup_pool_size,
        timeout_seconds=min(ROLLUPS_TIMEOUT_SECONDS, settings.database_timeout_seconds),
    )
    store, facts, writer = Store(rollup_database), FactStore(database), new_id()
    expiry = Expiry(store, [store, facts], settings.rollups, settings.rollup_archive_dir, writer)
    consolidation = Consolidation(rollup_database, store, settings.rollups)
    rollups = Rollups(
        store,
        settings.rollups,
        instruments=instruments,
        writer=writer,
        metrics=[metric for metric in rolled_up() if metric not in FACTS],
        state=WorkerState(
            observability.runtime,
            database,
            breakers=breakers,
            upstreams=upstreams,
            metrics=metrics,
        ),
        facts=facts,
    )
    sms_agent = SMSAgent(upstreams[Component.SMS_AGENT])
    announcements = Announcements(
        database,
        NotificationService(upstreams[Component.NOTIFICATION_SERVICE]),
        metrics,
        settings.calls.timeout_seconds + CLAIM_MARGIN_SECONDS,
    )
    workflows = Workflows(
        settings,
        database,
        tenants=CollectionsMonitor(upstreams[Component.COLLECTIONS_MONITOR]),
        sms_agent=sms_agent,
        ai=AIProvider(
            upstreams[Component.AI_PROVIDER],
            settings.ai_model,
            settings.ai_api_key,
            settings.payment_plans,
        ),
        announcements=announcements,
        metrics=metrics,
    )
    escalations = Escalations(database, announcements, wall_time, settings.no_responses_per_minute)
    sweep = Sweep(
        settings,
        database,
        escalations=escalations,
        announcements=announcements,
        background=periodic,
        wall_time=wall_time,
    )
    recovery = Recovery(
        database,
        workflows,
        upstreams,
        periodic,
        per_minute=settings.retries_per_minute,
        interval_seconds=settings.recovery_interval_seconds,
        pause_seconds=settings.calls.breaker_reset_seconds,
    )
    start = DatabaseStart(database)
    await start.begin()
    erasure = Erasure(settings, database, periodic)
    background = [
        asyncio.create_task(work)
        for work in (
            rollups.run(),
            start.then(sweep.run),
            start.then(recovery.run),
            start.then(backlog.run),
            start.then(erasure.run),
            start.then(lambda: facts.run(periodic)),
            start.then(lambda: expiry.run(periodic)),
            start.then(lambda: consolidation.run(periodic)),
            database.run(periodic),
            rollup_database.run(periodic),
        )
    ]
    try:
        yield Orchestrator(
            zone=settings.zone,
            database=database,
            start=start,
            dependencies=DependencyProbe(database, start, upstreams, breakers),
            report=MetricsReport(settings, rollups, backlog.counted),
            range_planner=RangePlanner(rollups),
            range_figures=RangeFigures(rollups),
            workflows=workflows,
            approvals=Approvals(database, sms_agent, announcements, wall_time),
            escalations=escalations,
            plans=PaymentPlans(settings.payment_plans, database),
            sweep=sweep,
            erasure=erasure,
            recovery=recovery,
            worklists=Worklists(database),
        )
    finally:
        await start.stop()
        await announcements.drain(STOP_DRAIN_SECONDS)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        try:
            await rollups.finish()
        except (SQLAlchemyError, OSError) as error:
            log.event(RollupsLost(error_type=FromCode(type(error).__name__)))
        for upstream in upstreams.values():
            await upstream.close()
        await rollup_database.close()
        await database.close()
