"""What changed between two revisions of dashboards and rules, in words for a reviewer."""
