"""A fact, its count and its log line are one thing: none is lost, none counts twice."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import httpx
import pytest
from sqlalchemy import func, select

from app.assembly import Orchestrator
from app.core import catalogue, facts, logging
from app.core.catalogue import PlanResult, Route
from app.core.database import Database
from app.core.events import PaymentPlanValidated, SMSReceived, SMSRouted
from app.core.facts import FactCounters
from app.core.instrumentation import Instruments
from app.core.logging import get_logger
from app.services.rollups import FactStore, Rollups, tables
from app.services.rollups.buckets import unpacked
from app.services.rollups.tables import ARRAYS, RESOLUTIONS
from tests.clock import Clock
from tests.sms import sms
