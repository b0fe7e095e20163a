"""Log levels as people write them: `warn` is `warning`, and capitals don't matter."""

_OTHER_NAMES = {"warn": "warning", "err": "error", "crit": "critical", "fatal": "critical"}


def level_name(text: str) -> str:
    """The level that is meant; what is no level stays as it is, to be refused."""
    name = text.strip().lower()
    return _OTHER_NAMES.get(name, name)
