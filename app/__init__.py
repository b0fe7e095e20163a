"""The SMS orchestrator: the service that this bundle monitors."""

__version__ = "0.1.0"
