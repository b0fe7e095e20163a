"""`python -m asgi_observability.log_query`: find lines, count them, follow one request."""

from asgi_observability.command import run

if __name__ == "__main__":
    run(
        "asgi_observability.log_query.any_service",
        "run `pip install 'asgi-observability[logs-query]'`",
    )
