"""The commands of this checkout: all begin and end in one way."""

from typing import NoReturn

from asgi_observability.command import run


def main_of(module: str) -> NoReturn:
    """Be the program whose ``main`` is in ``module``, and say what brings a missing package."""
    program = module.rpartition(".")[0]
    run(
        module,
        f"run `make generate` once, which installs all into .venv, and begin with "
        f"`.venv/bin/python -m {program}`",
    )
