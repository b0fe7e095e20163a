"""`GET /`: one small page that says what there is, for whoever opens the address in a browser."""

from pathlib import Path

from fastapi import APIRouter, Response

router = APIRouter()

PAGE = (Path(__file__).parent / "links.html").read_bytes()
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@router.api_route("/", methods=["GET", "HEAD"], response_class=Response, include_in_schema=False)
async def links() -> Response:
    """The page. It holds no data, so nobody needs a token for it."""
    return Response(PAGE, media_type="text/html; charset=utf-8", headers=_HEADERS)
