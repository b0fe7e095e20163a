"""What the service does: workflow, approvals, escalations, payment plans, metrics, rollups.

May import clients, models, schemas and core; knows nothing of HTTP routes.
"""
