"""Make the outages, read every surface, and write docs/outages.md from what was seen."""

import argparse
import asyncio
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from playwright.async_api import Page

from tests.browser import chromium
from tests.outages import causes, document
from tests.outages.bundle import Bundle
from tests.outages.causes import OUTAGES, Outage
from tests.outages.surfaces import Sight, look
from tests.project import ROOT

WITHIN_SECONDS = 300
"""How long the surfaces have to say what is wrong."""

SETTLING_SECONDS = 20
"""A scrape and some: between the first surface that says it and the look at all of them."""


async def seen(
    outages: Sequence[Outage], folder: Path, offset: int, page: Page
) -> AsyncIterator[Sight]:
    """Make outages one after the other on a stack of its own, and look at each."""
    async with AsyncExitStack() as stack:
        if any(outage.name == "disk" for outage in outages):
            await stack.enter_async_context(causes.small_disk(folder))
        bundle = Bundle(folder / "state", offset, page)
        is_warm = False
        try:
            await bundle.up()
            for outage in outages:
                if outage.prepare:
                    await stack.enter_async_context(outage.prepare(bundle))
                if outage.warm:
                    await bundle.traffic(causes.USUAL_TRAFFIC)
                    await bundle.until(bundle.scraped, 120)
                    await asyncio.sleep(0 if is_warm else outage.warm)
                    is_warm = True
                began, since = time.monotonic(), datetime.now(UTC)
                async with outage.trouble(bundle):
                    await _waited(outage, bundle, began)
                    sight = await look(bundle, outage.name, since)
                yield sight
        finally:
            await bundle.down()


async def _waited(outage: Outage, bundle: Bundle, began: float) -> None:
    """Until all is said that is expected, five minutes at most."""

    async def is_said() -> bool:
        is_told = not outage.expected or outage.expected <= await bundle.notified()
        return is_told and (outage.said is None or await outage.said(bundle))

    if not outage.at_least:
        return
    await asyncio.sleep(outage.at_least)
    left = WITHIN_SECONDS - SETTLING_SECONDS - (time.monotonic() - began)
    await bundle.until(is_said, left)
    await asyncio.sleep(SETTLING_SECONDS)


async def run(chosen: Sequence[Outage], folder: Path, offset: int) -> None:
    """Make them one after the other; what was seen of each is kept in ``folder``."""
    stacks: dict[str, list[Outage]] = {}
    for outage in chosen:
        stacks.setdefault(outage.shared or outage.name, []).append(outage)
    async with chromium() as browser:
        for name, outages in stacks.items():
            began = time.monotonic()
            place = folder / f"stack-{name}"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            async with await browser.new_context() as context:
                try:
                    async for sight in seen(outages, place, offset, await context.new_page()):
                        _keep(sight, folder)
                except Exception as error:
                    # The others are seen all the same; what is missing is said at the end.
                    print(f"{name}: NOT SEEN: {error!r}", flush=True)
            print(f"{name}: {(time.monotonic() - began) / 60:.1f} min", flush=True)


def _keep(sight: Sight, folder: Path) -> None:
    (folder / f"{sight.outage}.json").write_text(sight.written())
    print(f"{sight.outage}: seen after {sight.seconds:.0f} s", flush=True)
    for surface, words in sight.words.items():
        print(f"  {surface}:", *words, sep="\n    ", flush=True)


def main() -> int:
    """The command line; returns the exit code: 1 where a cell is missing or says what isn't so."""
    parser = argparse.ArgumentParser(prog="python -m tests.outages", description=__doc__)
    names = [outage.name for outage in OUTAGES]
    parser.add_argument("names", nargs="*", metavar="OUTAGE", help=f"of {', '.join(names)}")
    parser.add_argument("--folder", type=Path, default=ROOT / ".state" / "outages")
    parser.add_argument("--port-offset", type=int, default=53_000)
    parser.add_argument("--only-write", action="store_true", help="from what was seen before")
    options = parser.parse_args()
    if unknown := set(options.names) - {*names}:
        parser.error(f"no outage {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [each for each in OUTAGES if each.name in (options.names or names)]
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not options.only_write:
        asyncio.run(run(chosen, folder, options.port_offset))
    kept = {
        outage.name: json.loads(file.read_text())
        for outage in OUTAGES
        if (file := folder / f"{outage.name}.json").exists()
    }
    return document.write(kept)


if __name__ == "__main__":
    sys.exit(main())
