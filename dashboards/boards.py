"""The set of dashboards."""

from app.core.thresholds import Thresholds
from dashboards.grafana import to_json
from dashboards.logs import logs_dashboard
from dashboards.monitoring import monitoring
from dashboards.overview import overview
from dashboards.runtime import runtime
from dashboards.services import services
from dashboards.slos_and_alerts import slos_and_alerts


def dashboard_files(thresholds: Thresholds) -> dict[str, str]:
    """The JSON of each dashboard by the name of its file."""
    boards = {
        "overview": overview(thresholds),
        "services": services(thresholds),
        "slos_and_alerts": slos_and_alerts(thresholds),
        "runtime": runtime(thresholds),
        "monitoring": monitoring(thresholds),
        "logs": logs_dashboard(),
    }
    return {f"{name}.json": to_json(board) for name, board in boards.items()}
