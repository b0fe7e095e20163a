"""The service over HTTP: routes, who may read what, caching, error answers.

May import services, clients, schemas and core; no business rule is decided here.
"""
