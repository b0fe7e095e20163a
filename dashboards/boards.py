"""The set of dashboards."""

from app.core.thresholds import Thresholds
from dashboards.ai_and_approvals import ai_and_approvals
from dashboards.business import business_dashboard
from dashboards.grafana import to_json
from dashboards.logs import logs_dashboard
from dashboards.monitoring import monitoring
from dashboards.overview import overview
from dashboards.runtime import runtime
from dashboards.services import services
from dashboards.slos_and_alerts import slos_and_alerts
from dashboards.trends import trends


def dashboard_files(thresholds: Thresholds) -> dict[str, str]:
    """The JSON of each dashboard by the name of its file."""
    boards = {
        "overview": overview(thresholds),
        "services": services(thresholds),
        "ai_and_approvals": ai_and_approvals(thresholds),
        "business": business_dashboard(thresholds),
        "trends": trends(thresholds),
        "slos_and_alerts": slos_and_alerts(thresholds),
        "runtime": runtime(thresholds),
        "monitoring": monitoring(thresholds),
        "logs": logs_dashboard(),
    }
    return {f"{name}.json": to_json(board) for name, board in boards.items()}
