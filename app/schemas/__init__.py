"""The types of requests and answers. May import core, and the states that `app.models` declares."""
