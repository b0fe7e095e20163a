"""`--identity`: the labels that tell deployments apart, of every command that reads or routes."""

import argparse

from alerts.identity import IDENTITY, checked


def add_option(parser: argparse.ArgumentParser) -> None:
    """Describe it to ``parser``."""
    parser.add_argument(
        "--identity",
        default=",".join(IDENTITY),
        metavar="LABELS",
        help="labels of your targets that tell deployments apart (default %(default)s)",
    )


def identity(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The labels that were chosen. Raises ValueError for those that rules can't have."""
    text: str = arguments.identity
    labels = tuple(label.strip() for label in text.split(",") if label.strip())
    if len(set(labels)) < len(labels):
        raise ValueError(f"--identity {text}: names a label twice")
    if "__name__" in labels:
        raise ValueError("--identity: __name__ is the name of a series, not where it runs")
    return checked(labels)
