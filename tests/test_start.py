"""How a worker starts."""

import gc

import pytest

from app import main
from app.core.config import Settings


def test_a_worker_that_serves_looks_for_the_garbage_that_requests_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`python -m app` does not while it imports: a worker that never does would fill its memory."""
    monkeypatch.setattr(main, "load_settings", Settings)
    monkeypatch.setattr(Settings, "log_options", None)
    monkeypatch.setattr(main, "tell_of_hash_key", lambda *_: None)
    gc.disable()
    try:
        main.create()
        assert gc.isenabled()
    finally:
        gc.enable()
