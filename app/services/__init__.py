"""What the service does: workflow, approvals, escalations, payment plans, metrics, rollups.

May import clients, models and core; knows nothing of HTTP. What a service gives is a dataclass of
its own: no row of a table leaves it, and what an answer looks like is up to `app.api`.
"""
