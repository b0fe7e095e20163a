"""The secrets of logging: the operator's token, and the key of hashed identifiers."""

import secrets
from pathlib import Path

HASH_KEY = "log_hash_key"


def token_of(folder: Path) -> Path:
    """The file with the operator's token and nothing else."""
    return folder / "operator_token"


def tokens_in(folder: Path) -> Path:
    """The file that the orchestrator reads: ``name:token`` lines."""
    return folder / "operator_tokens"


def make(folder: Path, mode: int) -> None:
    """Make what isn't there yet."""
    for file in (token_of(folder), folder / HASH_KEY):
        if not file.exists():
            file.touch(mode=mode)
            file.write_text(secrets.token_urlsafe(32), encoding="utf-8")
    tokens = tokens_in(folder)
    tokens.touch(mode=mode)
    tokens.write_text(
        f"operator:{token_of(folder).read_text(encoding='utf-8')}\n", encoding="utf-8"
    )
