"""`replay` and `backfill`, run in this process as their command lines run them."""

import argparse

from alerts import backfill_command, replay_command


def run_command(name: str, *arguments: str) -> int:
    """The exit code of the command with that name."""
    module = {"replay": replay_command, "backfill": backfill_command}[name]
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return module.run(parser.parse_args(arguments))
