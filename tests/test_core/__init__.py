"""Tests of app.core: settings, instruments, logging, events."""
