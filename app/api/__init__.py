"""The service over HTTP: routes, who may read what, caching, error answers.

May import services, schemas and core; no business rule is decided here. A route is given the one
service that it needs (`dependencies`) and makes the answer of `app.schemas` from what that gives.
"""
