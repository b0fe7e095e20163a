"""`make test-compose`: the committed compose file on a real engine."""
