"""The tokens that the stack makes open what their holders do, and nothing else."""

from pathlib import Path

from app.api.tokens import Scope, Tokens
from simulator.simulation import _authorization
from stack import metrics_tokens
from tests.not_empty import not_empty


def test_each_holder_may_do_what_it_does_in_the_stack(tmp_path: Path) -> None:
    metrics_tokens.make(tmp_path, mode=0o600)
    tokens = Tokens(metrics_tokens.all_in(tmp_path), "TOKENS_FILE")
    allowed = {}
    for holder in not_empty(metrics_tokens.HOLDERS):
        headers = _authorization(metrics_tokens.of(tmp_path, holder))
        caller = tokens.caller(headers["Authorization"].removeprefix("Bearer "))
        assert caller is not None
        assert caller.name == holder
        allowed[holder] = {scope for scope in Scope if caller.may(scope)}
    assert allowed == {
        "prometheus": {Scope.METRICS},
        "people": {Scope.METRICS, Scope.RECEIVE, Scope.ACT},
        "simulator": {Scope.RECEIVE, Scope.ACT},
    }
    assert _authorization(None) == {}
