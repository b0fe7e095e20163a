"""Which names of fields are a program's own, and so are written as they are."""

import re

from asgi_observability.personal_data import hashed, is_keyword

# tenantId, http.status_code, line2. Names of people and places begin with a capital or have a dash;
# in keys, digits and letters are mixed.
_NAME = re.compile(r"[a-z_][A-Za-z_.]{0,40}\d{0,2}")


def field_name(name: object, constants: frozenset[str]) -> str:
    """``name`` as it is, unless nobody who writes a program would give a field such a name.

    That is one of ``constants``, which stand in the code that logs, or has the form of a name in
    a program. A telephone number or a sentence used as a name is data, and hashed.
    """
    text = name if isinstance(name, str) else type(name).__qualname__
    is_name = text in constants or is_keyword(text) or _NAME.fullmatch(text)
    return text if is_name else hashed(text)
