"""Twelve outages, made for real on a native stack, and what each surface says of them.

`python -m tests.outages` makes them one after the other and writes docs/outages.md. A surface is
whatever a person or a program looks at: the JSON endpoint, the live page, the overview dashboard,
the notification, `make status`.
"""
