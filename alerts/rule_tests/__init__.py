"""Unit tests of the rules, generated from what the rules mean, not from their PromQL."""
