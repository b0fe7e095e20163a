"""`/metrics`: what is counted, in the format and the coding that the scraper accepts."""

import asyncio
import gzip
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from asgi_observability.negotiation import Format, format_of, takes_gzip
from asgi_observability.rendering import Renderer
from asgi_observability.snapshot import FamilySnapshot

COMPRESSED_FROM_BYTES = 1024
# The next levels take twice as long to save a tenth.
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Exposition:
    """The answer to a scrape. ``content_encoding`` is "gzip", or empty for none."""

    body: bytes
    content_type: str
    content_encoding: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        headers = {"Content-Type": self.content_type, "Vary": "Accept, Accept-Encoding"}
        if self.content_encoding:
            headers["Content-Encoding"] = self.content_encoding
        return headers


def exposition(
    families: Iterable[FamilySnapshot], accept: str, accept_encoding: str = ""
) -> Exposition:
    """The families as ``accept`` and ``accept_encoding`` want them, whatever these say.

    For one scrape: it takes some 10 ms for ten thousand lines, so call it in a thread. Who is
    scraped again and again has an `Exposer`.
    """
    format_ = format_of(accept)
    return _coded(Renderer(format_).render(families), format_, accept_encoding)


def _coded(body: bytes, format_: Format, accept_encoding: str) -> Exposition:
    if len(body) < COMPRESSED_FROM_BYTES or not takes_gzip(accept_encoding):
        return Exposition(body, format_.value)
    # The interpreter is free meanwhile.
    return Exposition(gzip.compress(body, _LEVEL, mtime=0), format_.value, "gzip")


class Exposer:
    """Answers scrapes of what ``snapshot`` gives, in a thread of its own.

    `asyncio.to_thread` shares its threads with the service's own work: with all of them busy a
    scrape would wait, just when it matters.
    """

    def __init__(self, snapshot: Callable[[], Iterable[FamilySnapshot]]) -> None:
        self._snapshot = snapshot
        self._renderers = {format_: Renderer(format_) for format_ in Format}
        self._thread: ThreadPoolExecutor | None = None
        self._process = 0

    async def answer(self, accept: str, accept_encoding: str = "") -> Exposition:
        """The answer to one scrape. Scrapes are answered one after the other.

        Raises what ``snapshot`` raises; the headers can't make it fail.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._executor(), self._exposition, accept, accept_encoding
        )

    def close(self) -> None:
        """Let the thread end; a later scrape begins another."""
        if self._thread is not None and self._process == os.getpid():
            self._thread.shutdown(wait=False)
        self._thread = None

    def _executor(self) -> ThreadPoolExecutor:
        if self._thread is None or self._process != os.getpid():
            # A forked child has the object, but not the thread.
            self._process = os.getpid()
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        return self._thread

    def _exposition(self, accept: str, accept_encoding: str) -> Exposition:
        format_ = format_of(accept)
        body = self._renderers[format_].render(self._snapshot())
        return _coded(body, format_, accept_encoding)
