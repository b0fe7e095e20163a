"""Where dashboard links of alerts lead without a Grafana: to the pictures of `make preview`.

The paths of dashboards are Grafana's, so that the links differ in the address only.
"""

import re
from pathlib import Path

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from simulator import page

INDEX = "index.html"
_NO_PICTURES = "There are no pictures yet. `make preview` draws them from what Prometheus has now."
_FILE = re.compile(r"[\w-]+\.(html|png)")


def add_preview(app: FastAPI, folder: Path) -> None:
    """Serve the pictures in ``folder``, which `make preview` may write at any time."""

    @app.get("/d/{dashboard}")
    async def dashboard(dashboard: str) -> Response:
        if not re.fullmatch(r"[\w-]{1,100}", dashboard):
            raise HTTPException(404, "no dashboard of that name")
        if (folder / INDEX).is_file():
            return RedirectResponse(f"/preview/{INDEX}#{dashboard}")
        html = page.message("Dashboards", _NO_PICTURES)
        return HTMLResponse(html, headers=page.HEADERS)

    @app.get("/preview/{file}")
    async def picture(file: str) -> FileResponse:
        if not _FILE.fullmatch(file) or not (folder / file).is_file():
            raise HTTPException(404, "no picture of that name")
        # Drawn anew under the same name.
        return FileResponse(folder / file, headers={"Cache-Control": "no-cache"})
