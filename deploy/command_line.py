"""Generates the files for Kubernetes, and checks them or what a team has made of them."""
# ruff: noqa: E402

import gc

# The operator's models are thousands of classes, and nothing of them is ever garbage.
gc.disable()

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from alerts import paths
from alerts.findings import told
from app.core.config import load_settings
from app.core.environment import SettingsError
from deploy import (
    alerting,
    build,
    coherence,
    files,
    placeholders,
    required_secrets,
    schemas,
    service_settings,
    sizes,
)
from deploy.names import Resource, name_of
from deploy.selection import Given
from prometheus_tools.yaml_reading import read_all_yaml

_EPILOG = """\
examples:
  python -m deploy check
  kubectl kustomize OVERLAY | python -m deploy check -

docs/kubernetes.md says how to list the secrets that there are.
"""


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    generate = commands.add_parser("generate", help="write base, overlays, rules and lists")
    generate.set_defaults(run=_generate)
    check = commands.add_parser(
        "check",
        help="find outdated files, and what Kubernetes, the operator or the service refuses",
    )
    check.add_argument(
        "built",
        nargs="?",
        metavar="FILE",
        help="what kustomize made of an overlay of yours; - reads standard input",
    )
    check.set_defaults(run=_check)
    secrets = commands.add_parser(
        "secrets", help="name the secrets and keys that are missing from a list on standard input"
    )
    secrets.set_defaults(run=_secrets)
    arguments = parser.parse_args()
    try:
        exit_code: int = arguments.run(arguments)
    except (SettingsError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if not error.filename:
            raise
        print(f"{error.filename}: {error.strerror}; name another", file=sys.stderr)
        return 1
    return exit_code


def _generate(_arguments: argparse.Namespace) -> int:
    found = files.every(load_settings())
    files.write(found)
    print(f"{paths.in_checkout(str(files.FOLDER))}: {sum(map(len, found.values()))} files")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    if arguments.built is not None:
        judged = schemas.judged(_read(arguments.built))
        given = _given(judged)
        rules = [*alerting.missing_rules(given), *alerting.broken_rules(given)]
        left = [*placeholders.left_in(judged.right), *rules]
        failed = told("resources", [*judged.problems, *coherence.problems(given), *left])
        _tell_unchecked(judged.unknown)
        for each in service_settings.not_seen(given):
            print(f"not checked: {each}", flush=True)
        return int(failed)
    settings = load_settings()
    failed = told("files for Kubernetes", files.drift(files.every(settings)))
    for size in sizes.SIZES:
        judged = schemas.judged(build.built(size, settings))
        found = [*judged.problems, *coherence.problems(_given(judged))]
        failed |= told(f"overlay {size.name}, by the schemas of {schemas.VERSIONS}", found)
    return int(failed)


def _given(judged: schemas.Judged) -> Given:
    return Given(judged.right, judged.wrong, judged.unknown)


def _tell_unchecked(unknown: Iterable[Resource]) -> None:
    names = [f"{each['kind']} {name_of(each)} ({each['apiVersion']})" for each in unknown]
    if names:
        print(f"not checked, nobody here knows these kinds: {', '.join(names)}", flush=True)


def _secrets(_arguments: argparse.Namespace) -> int:
    present = {line.split()[0]: frozenset(line.split()[1:]) for line in sys.stdin if line.split()}
    return int(told("secrets", list(required_secrets.problems(present))))


def _read(name: str) -> list[Resource]:
    text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    try:
        found = [each for each in read_all_yaml(text) if each]
    except yaml.YAMLError as error:
        raise ValueError(f"{name} is no YAML: {error}") from None
    for each in found:
        if not isinstance(each, dict) or not {"apiVersion", "kind", "metadata"} <= each.keys():
            raise ValueError(f"{name} holds something that is no resource: {str(each)[:80]}")
    if not found:
        raise ValueError(f"{name} holds nothing; give what `kubectl kustomize OVERLAY` prints")
    return found
