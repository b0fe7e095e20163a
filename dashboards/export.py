"""The dashboards for a Prometheus in which the jobs have other names."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alerts.export import jobs
from alerts.signals.scraping import OUR_JOBS
from app.core.config import load_settings
from dashboards.boards import dashboard_files
from dashboards.queries import panels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to ``parser``."""
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder to write the dashboards to; files of the same names are replaced",
    )
    parser.add_argument(
        "--job",
        dest="jobs",
        type=_pair,
        action="append",
        default=[],
        metavar="OURS=YOURS",
        help=f"what a job is called at yours: {', '.join(OUR_JOBS)}; may be repeated",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the dashboards; returns the exit code. Raises ValueError for what can't be."""
    names = dict(arguments.jobs)
    jobs.require_apart(names, set(OUR_JOBS))
    settings = load_settings()
    folder: Path = arguments.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in dashboard_files(settings.thresholds, settings.links).items():
            (folder / name).write_text(_written(renamed(json.loads(text), names)), encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"--output {folder}: {error.strerror}; give a folder to write to"
        ) from None
    print(f"{folder}: dashboards for the jobs {', '.join(names.get(j, j) for j in OUR_JOBS)}")
    return 0


def renamed(document: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """``document`` with other names of jobs: in queries, annotations, and as the job of all."""
    for panel in panels(document):
        for target in panel.get("targets", []):
            target["expr"] = jobs.in_expression(target["expr"], names)
    for mark in document.get("annotations", {}).get("list", []):
        mark["expr"] = jobs.in_expression(mark["expr"], names)
    for variable in document["templating"]["list"]:
        if variable["name"] == "job":
            variable["allValue"] = names.get(variable["allValue"], variable["allValue"])
    return document


def _written(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _pair(text: str) -> tuple[str, str]:
    ours, _, yours = text.partition("=")
    if ours not in OUR_JOBS or not yours:
        raise argparse.ArgumentTypeError(
            f"write OURS=YOURS, and OURS as one of {', '.join(OUR_JOBS)}; not {text!r}"
        )
    return ours, yours
