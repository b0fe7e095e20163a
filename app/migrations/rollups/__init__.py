"""The revisions of the rollups' tables (app/services/rollups/tables.py)."""
