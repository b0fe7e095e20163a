"""Measures what `python -m stack capacity` computes with.

`python -m tests.capacity` measures all parts, or those that are named, and writes them into
stack/capacity/measured.json; the others stay. Nothing in that file is typed by hand. May import all
other folders.
"""
