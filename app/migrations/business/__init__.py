"""The revisions of the business's tables (app/models.py)."""
