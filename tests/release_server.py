"""A local server with the layout of the official releases, and programs to publish there."""

import hashlib
import http.server
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_tools.toolchain import TOOLS, archive
from prometheus_tools.toolchain.tool import OPTIONAL


def script(folder: Path, name: str, says: str) -> Path:
    """A program called ``name`` in ``folder``, which prints what it ``says``."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(0o755)
    return file


class Releases:
    """A server with the layout of the official releases, Grafana's among them."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        self.url = url
        self.requests: list[str] = []

    def publish(
        self, name: str, binaries: Mapping[str, Path], top: str = "", checksum: str = ""
    ) -> Path:
        """Publish the archive that holds ``binaries``, as the tool ``name`` expects it.

        ``top`` is the folder in it, by default called as the archive is. ``checksum`` is the
        published one, by default the right one.
        """
        release = (TOOLS | OPTIONAL)[name].release
        assert release is not None
        title = archive._name(release)
        folder = self.root / release.folder
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{title}.tar.gz"
        with tarfile.open(file, "w:gz", compresslevel=1) as content:
            for place, binary in binaries.items():
                content.add(binary.resolve(), f"{top or title}/{place}")
        checksum = checksum or hashlib.sha256(file.read_bytes()).hexdigest()
        sums = folder / release.checksums.format(name=title)
        if sums.name == "sha256sums.txt":
            sums.write_text(f"{'0' * 64}  other.tar.gz\n{checksum}  {file.name}\n")
        else:
            sums.write_text(f"{checksum}\n")
        return file


@contextmanager
def served(root: Path) -> Iterator[Releases]:
    """Serve ``root``, also to those who take this server for their proxy."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(root))  # type: ignore[arg-type]

        def translate_path(self, path: str) -> str:
            return super().translate_path(urlsplit(path).path)

        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = Releases(root, f"http://127.0.0.1:{server.server_address[1]}")
        found.requests = asked
        yield found
        server.shutdown()
