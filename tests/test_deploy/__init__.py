"""The files for Kubernetes: what is wrong is named, and a real API server takes them."""
