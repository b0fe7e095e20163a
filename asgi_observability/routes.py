"""The one place that knows where FastAPI and Starlette keep the matched route."""

from starlette.types import Scope

UNMATCHED = "unmatched"


def route_template(scope: Scope, outer_root_path: str = "") -> str:
    """The full template of the route that served ``scope``, such as ``/orders/{order_id}``.

    ``scope["route"].path`` lost the prefixes of included routers in FastAPI 0.137; they are in the
    effective route context. Mounts add their part to ``root_path``. Paths that no route matched
    share one name, so that invented paths make no series.
    """
    context = scope.get("fastapi", {}).get("effective_route_context")
    route = context or scope.get("route")
    template = getattr(route, "path_format", None) or getattr(route, "path", None)
    if template is None:
        return UNMATCHED
    mounted = scope.get("root_path", "").removeprefix(outer_root_path)
    return f"{mounted}{template}"
