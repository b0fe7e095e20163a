"""Make the outages, read every surface, and write docs/outages.md from what was seen."""

import argparse
import asyncio
import json
import shutil
import sys
import time
from contextlib import AsyncExitStack
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


async def seen(outage: Outage, folder: Path, offset: int, page: Page) -> Sight:
    """Make one outage on a stack of its own, and look."""
    async with AsyncExitStack() as stack:
        if outage.name == "disk":
            await stack.enter_async_context(causes.small_disk(folder))
        bundle = Bundle(folder / "state", offset, page)
        try:
            await bundle.up()
            if outage.prepare:
                await stack.enter_async_context(outage.prepare(bundle))
            if outage.warm:
                await bundle.traffic(causes.USUAL_TRAFFIC)
                await bundle.until(bundle.scraped, 120)
                await asyncio.sleep(outage.warm)
            began = time.monotonic()
            async with outage.trouble(bundle):
                await _waited(outage, bundle, began)
                return await look(bundle, outage.name, time.monotonic() - began)
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


async def run(chosen: list[Outage], folder: Path, offset: int) -> None:
    """Make them one after the other; what was seen of each is kept in ``folder``."""
    async with chromium() as browser:
        for outage in chosen:
            began = time.monotonic()
            place = folder / f"stack-{outage.name}"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            async with await browser.new_context() as context:
                try:
                    sight = await seen(outage, place, offset, await context.new_page())
                except Exception as error:
                    print(f"{outage.name}: NOT SEEN: {error!r}", flush=True)
                    continue
            (folder / f"{outage.name}.json").write_text(sight.written())
            minutes = (time.monotonic() - began) / 60
            print(
                f"{outage.name}: seen after {sight.seconds:.0f} s ({minutes:.1f} min)", flush=True
            )
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
    by_name = {each.name: each for each in OUTAGES}
    chosen = [by_name[name] for name in options.names or names]
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
