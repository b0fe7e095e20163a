"""The forms that a text may be asked to have, as patterns."""

IDENTIFIER = r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$"
PHONE_NUMBER = r"^\+?[0-9]{7,15}$"
JSON_OR_CSV = "^(json|csv)$"
