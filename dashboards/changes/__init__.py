"""What changed between two revisions of dashboards and rules, in words: `make diff`."""
