"""A shop whose package has the name that half of all services have."""
