"""Tests of the service over HTTP, on a real database."""
