"""`python -m alerts notifications`: a configuration of Alertmanager for a folder of secrets."""

import argparse
import sys
from pathlib import Path

from alerts import identity_option
from alerts.model import Team
from alerts.notifications import configuration
from alerts.notifications.channels import (
    OF_TEAMS,
    SECRET_FILES,
    Channel,
    Secrets,
    strange,
    team_file,
    warnings,
)
from alerts.notifications.settings import NotificationSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, and the settings as they are found in the environment."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"environment variables and their defaults:\n{NotificationSettings.described()}"
    parser.add_argument(
        "--secrets",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with the secret files; each file that exists switches a receiver on",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="file to write; the templates are written into a folder beside it",
    )
    identity_option.add_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the configuration and say what is on; returns the exit code.

    Raises ValueError for secrets and settings that can't be used.
    """
    if arguments.output.is_dir():
        raise ValueError(f"--output {arguments.output} is a folder; name a file")
    secrets = given(arguments.secrets)
    identity = identity_option.identity(arguments)
    configuration.write(arguments.output, secrets, NotificationSettings.load(), identity)
    print(f"{arguments.output}:")
    for channel in Channel:
        print(f"  {channel:<17} {_state(channel, secrets)}")
    if others := strange(arguments.secrets):
        print(f"Other files there, which switch nothing on: {', '.join(others)}", file=sys.stderr)
    for warning in warnings(arguments.secrets, secrets):
        print(warning, file=sys.stderr)
    return 0


def given(folder: Path) -> Secrets:
    """The secrets of the folder that ``--secrets`` names. ValueError says why it can't be used."""
    if not folder.is_dir():
        raise ValueError(
            f"--secrets {folder} is not a folder; create it and put the secret files there, or "
            "name another"
        )
    return Secrets.found_in(folder)


def _state(channel: Channel, secrets: Secrets) -> str:
    everybody = SECRET_FILES[channel]
    own = [team_file(channel, team) for team in Team if channel in OF_TEAMS]
    files = [name for name in (everybody, *own) if name in secrets.files]
    if files:
        return f"on   by {', '.join(files)}"
    return f"off  {everybody} switches it on"
