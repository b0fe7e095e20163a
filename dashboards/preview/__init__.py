"""Pictures of the dashboards, drawn from their JSON and a Prometheus: `make preview`."""
