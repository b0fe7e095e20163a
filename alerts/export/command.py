"""`python -m alerts export`: the rules for the engine that a team has."""

import argparse
import sys
from pathlib import Path

from alerts import generated, identity_option
from alerts.export import rule_options
from alerts.export.engines import Engine
from alerts.export.files import exported, exported_notifications, require_own
from alerts.export.options import NAMESPACE, OLDEST_KEEPING, Options
from alerts.identity import IDENTITY
from alerts.notifications.channels import warnings
from alerts.notifications.command import given
from alerts.notifications.settings import NotificationSettings
from alerts.rules import rule_files
from app.core.config import load_settings
from asgi_observability.nearest import did_you_mean

_EPILOG = """\
examples:
  python -m alerts export --for mimir --output out
  python -m alerts export --for operator --output out --job orchestrator=sms/api \\
      --label release=kube-prometheus-stack --namespace sms
  python -m alerts export --for vmalert --vmalert-version 1.79 --output out

URLs and thresholds are settings: ORCHESTRATOR_LINKS__GRAFANA_URL and so on (docs/settings.md).
"""

_ONLY_FOR = {
    "--label": ((Engine.OPERATOR,), "there is no resource that could have one: leave it out"),
    "--namespace": (
        (Engine.OPERATOR, Engine.MIMIR),
        "files have none: leave it out, and name the folder as you like",
    ),
    "--vmalert-version": ((Engine.VMALERT,), "it changes nothing: leave it out"),
    "--secrets": (
        (Engine.OPERATOR,),
        "Alertmanager's configuration comes from `python -m alerts notifications`",
    ),
}
"""Options that mean something for some engines only, and what to do for the others."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to ``parser``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument(
        "--for",
        dest="engine",
        type=_engine,
        required=True,
        metavar="ENGINE",
        help="prometheus, operator (PrometheusRule), mimir (mimirtool) or vmalert",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder to write to; it may hold nothing in YAML but an earlier export",
    )
    parser.add_argument(
        "--environment",
        metavar="NAME",
        help="use the thresholds of this environment, such as staging",
    )
    rule_options.add_options(parser)
    parser.add_argument(
        "--namespace",
        metavar="NAME",
        help="Mimir's namespace of the rules, or Kubernetes' of the resources; mimir and operator "
        f"only (default {NAMESPACE})",
    )
    parser.add_argument(
        "--label",
        type=rule_options.pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="label of the Kubernetes resources; operator only; may be repeated",
    )
    parser.add_argument(
        "--secrets",
        type=Path,
        metavar="DIR",
        help="operator: also write an AlertmanagerConfig for the secret files in this folder",
    )
    parser.add_argument(
        "--vmalert-version",
        type=_version,
        metavar="VERSION",
        help="version of vmalert that reads the rules; before 1.92 it knows no keep_firing_for; "
        "vmalert only",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the export and say what it is; returns the exit code.

    Raises ValueError for what can't be exported.
    """
    _require_meaning(arguments)
    options = Options(
        engine=arguments.engine,
        jobs=rule_options.once("--job", arguments.jobs),
        scrape_seconds=int(arguments.scrape_interval),
        without=frozenset(arguments.without),
        vmalert=arguments.vmalert_version or OLDEST_KEEPING,
        namespace=NAMESPACE if arguments.namespace is None else arguments.namespace,
        labels=rule_options.once("--label", arguments.label),
        absent_jobs=frozenset(arguments.absent_jobs),
        identity=identity_option.identity(arguments),
    )
    settings = load_settings(arguments.environment)
    secrets = None if arguments.secrets is None else given(arguments.secrets)
    files = exported(rule_files(settings.thresholds, settings.links, options.identity), options)
    said = [_rules_only(options)]
    if secrets is not None:
        files |= exported_notifications(secrets, NotificationSettings.load(), options)
        said = warnings(arguments.secrets, secrets)
    require_own(arguments.output, options.engine)
    generated.write(arguments.output, files)
    print(f"{arguments.output}: {len(files)} files for {options.engine}")
    for warning in said:
        print(warning, file=sys.stderr)
    return 0


def _require_meaning(arguments: argparse.Namespace) -> None:
    """Refuse options that change nothing for the engine: whoever gives one expects that it does."""
    engine = arguments.engine
    for option, (engines, instead) in _ONLY_FOR.items():
        given = getattr(arguments, option.removeprefix("--").replace("-", "_"))
        if given not in (None, []) and engine not in engines:
            where = " or ".join(engines)
            raise ValueError(f"{option} is for --for {where}; for {engine} {instead}")


def _rules_only(options: Options) -> str:
    """That an export without notifications calls nobody, and what does."""
    same = f" --identity {','.join(options.identity)}" if options.identity != IDENTITY else ""
    instead = (
        "give --secrets DIR, which adds an AlertmanagerConfig"
        if options.engine is Engine.OPERATOR
        else f"give your Alertmanager what `python -m alerts notifications{same}` writes"
    )
    return (
        f"No page reaches anybody by this export: it holds rules only; {instead}, or route the "
        "alerts yourself (docs/importing.md)"
    )


def _engine(text: str) -> Engine:
    if text not in [*Engine]:
        hint = did_you_mean(text, [*Engine], otherwise=f"there are {', '.join(Engine)}")
        raise argparse.ArgumentTypeError(f"no engine is called {text}; {hint}")
    return Engine(text)


def _version(text: str) -> tuple[int, int]:
    parts = text.removeprefix("v").split(".")
    if len(parts) < 2 or not all(part.isdigit() for part in parts[:2]):
        raise argparse.ArgumentTypeError(f"{text}: write it as 1.79")
    return int(parts[0]), int(parts[1])
