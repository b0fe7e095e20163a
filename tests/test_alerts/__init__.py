"""Tests of alerts: rules, routes, messages, runbooks, replay and backfill."""
