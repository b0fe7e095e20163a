"""The SMS orchestrator: the service that this project monitors.

Imports packages from outside, the layer (`asgi_observability`) and itself. Inside, imports go down
only: main, api, assembly, services, clients, models and schemas, logs, core.
"""

__version__ = "0.1.0"
