"""Simulates what surrounds the orchestrator: upstreams, tenants, managers, a receiver.

May import app only.
"""
