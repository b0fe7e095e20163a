"""`python -m app.services.rollups`: the archives of expired rollups."""

import argparse
import sys
from pathlib import Path

import orjson

from app.core.config import load_settings
from app.core.environment import SettingsError
from app.services.rollups.archive import ArchiveError, archives, read


def main() -> int:
    """List the archives, or print one as NDJSON; 1 when it can't be read."""
    parser = argparse.ArgumentParser(prog="python -m app.services.rollups", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("archives", help="list the archives, or print one as NDJSON")
    listing.add_argument("name", nargs="?", help="a file from the list")
    listing.add_argument(
        "--dir", type=Path, help="folder of the archives; by default the configured one"
    )
    arguments = parser.parse_args()
    try:
        folder = arguments.dir or load_settings().rollup_archive_dir
        if arguments.name:
            for line in read(folder / arguments.name):
                sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
        else:
            _list(folder)
    except (SettingsError, ArchiveError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _list(folder: Path) -> None:
    found = archives(folder)
    print(f"{folder}: {len(found)} archives")
    for archive in found:
        print(
            f"  {archive.day}  {archive.resolution:>6} s  {archive.kind:<10} "
            f"{archive.size / 1024:>8.1f} KiB  {archive.path.name}"
        )
