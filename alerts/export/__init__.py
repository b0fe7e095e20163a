"""The rules and routes for other engines than the bundle's own Prometheus.

`python -m alerts export --for prometheus | operator | mimir | vmalert`. It takes the rule files
that `make generate` writes, and adapts names of jobs, ranges, sizes of groups and the file's form.
It may import the rest of alerts. alerts/command_line.py imports it, and so do replay and
backfill, which take the same rule_options.py; nothing else does.
"""
