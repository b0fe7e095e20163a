"""The types of requests and answers. May import core."""
