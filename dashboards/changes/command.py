"""`python -m dashboards diff`: what changed, in words."""

import argparse
from pathlib import Path

from alerts import paths
from dashboards.changes import words
from dashboards.changes.comparison import compared
from dashboards.changes.revision import WORKING_TREE, branch_point, revision, working_tree

DESCRIPTION = """\
Says in words what changed in dashboards, alerts, recording rules and notifications:

  python -m dashboards diff                   this branch, with changes that are not committed
  python -m dashboards diff HEAD~3            all changes since a commit
  python -m dashboards diff v1.2 v1.3         from one revision to another
  python -m dashboards diff . /tmp/staging    from this checkout to rules in a folder

A folder is a checkout, or it holds only dashboards (*.json) or only rules (*.yml). Then only these
are compared. Formatting does not count as a change.
"""

_FORMATS = {"text": words.text, "markdown": words.markdown}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to ``parser``."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "old",
        nargs="?",
        metavar="OLD",
        help="a revision or a folder; default: where this branch left main, or HEAD",
    )
    parser.add_argument(
        "new", nargs="?", metavar="NEW", help=f"a revision or a folder; default: {WORKING_TREE}"
    )
    parser.add_argument(
        "--format", choices=_FORMATS, default="text", help="text, or markdown for pull requests"
    )


def run(options: argparse.Namespace, checkout: Path = paths.ROOT) -> int:
    """Compare and print; returns the exit code. Raises ValueError for what can't be read."""
    old = revision(checkout, options.old) if options.old else branch_point(checkout)
    new = revision(checkout, options.new) if options.new else working_tree(checkout)
    heading = f"What changed from {old.name} to {new.name}"
    print(_FORMATS[options.format](heading, compared(old, new)))
    return 0
