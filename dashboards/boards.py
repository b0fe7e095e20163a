"""The set of dashboards."""

from app.core.thresholds import Thresholds
from dashboards.house_style import to_json
from dashboards.overview import overview


def dashboard_files(thresholds: Thresholds) -> dict[str, str]:
    """The JSON of each dashboard by the name of its file."""
    return {"overview.json": to_json(overview(thresholds))}
