"""The local stack: finding its tools, starting it, asking it, stopping it."""
