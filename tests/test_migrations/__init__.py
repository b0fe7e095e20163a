"""Migrations: upgrades from the last release without them, and models that differ from them."""
