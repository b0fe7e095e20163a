"""A shop with logs, metrics and an exception hook of its own; run by gunicorn or uvicorn."""

import logging.config
import sys

from fastapi import Depends, FastAPI, HTTPException, Request
from prometheus_client import CollectorRegistry, Counter, Gauge

logging.config.dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "SHOP %(levelname)s %(name)s %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {"shop": {"level": "INFO"}},
    }
)
log = logging.getLogger("shop")
REGISTRY = CollectorRegistry()
ORDERS = Counter("shop_orders", "Orders.", ["payment"], registry=REGISTRY)
STOCK = Gauge("shop_stock", "Things in stock.", registry=REGISTRY)


def told(kind: type[BaseException], error: BaseException, traceback: object) -> None:
    """The shop's own word on what ends it."""
    print(f"SHOP ENDED BY {kind.__name__}", file=sys.stderr)


sys.excepthook = told


def known(request: Request) -> None:
    """Nobody is let in without a name: on every route there is."""
    if "X-Customer" not in request.headers:
        raise HTTPException(401)


app = FastAPI(dependencies=[Depends(known)])


@app.post("/orders/{payment}")
async def order(payment: str) -> dict[str, str]:
    """Order something."""
    ORDERS.labels(payment=payment).inc()
    STOCK.set(41)
    log.info("ordered by %s", payment)
    return {"payment": payment}


@app.get("/{page:path}")
async def page(page: str) -> dict[str, int]:
    """Every other path is a page of the shop."""
    return {"page": len(page)}
