"""`make bench`: what the service, the rules and the dashboards cost, beside their peers."""
