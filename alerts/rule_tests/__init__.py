"""Rule unit tests that can be generated honestly: from what rules mean, not from their PromQL."""
