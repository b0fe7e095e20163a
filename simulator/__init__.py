"""Stand-ins for what surrounds the orchestrator: its upstreams, its tenants, its managers."""
