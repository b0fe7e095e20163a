"""Settings, catalogue, events, instrumentation, logging and database.

The bottom of the service: imports nothing else of it.
"""
