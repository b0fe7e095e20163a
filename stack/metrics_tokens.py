"""The tokens that open the orchestrator: for Prometheus, for people, for the simulator."""

import secrets
from pathlib import Path

HOLDERS = {
    "prometheus": "metrics",
    "people": "metrics receive act",
    "simulator": "receive act",
}
"""Who has one, and what it is for."""


def of(folder: Path, holder: str) -> Path:
    """The file with one holder's token and nothing else."""
    return folder / f"{holder}_metrics_token"


def all_in(folder: Path) -> Path:
    """The file that the orchestrator reads: lines of ``holder:token`` and what it is for."""
    return folder / "metrics_tokens"


def make(folder: Path, mode: int) -> None:
    """Make the tokens that aren't there yet, and the file with all of them."""
    lines = []
    for holder, scopes in HOLDERS.items():
        file = of(folder, holder)
        if not file.exists():
            file.touch(mode=mode)
            file.write_text(secrets.token_urlsafe(32), encoding="utf-8")
        lines.append(f"{holder}:{file.read_text(encoding='utf-8').strip()} {scopes}\n")
    file = all_in(folder)
    file.touch(mode=mode)
    file.write_text("".join(lines), encoding="utf-8")
