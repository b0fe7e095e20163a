"""Telephone numbers, texts, names and keys, as they are tried to be smuggled into lines."""

import json
import re

from hypothesis import strategies as st

DIGITS = st.text("0123456789", min_size=10, max_size=14).map(lambda rest: "1" + rest)
SEPARATED = st.tuples(
    st.sampled_from(["+64 21 ", "(555) ", "+1-555-", "0064.21.", "+1 (555) ", "021/"]),
    st.integers(1_000_000, 9_999_999),
).map(lambda parts: f"{parts[0]}{str(parts[1])[:3]}-{str(parts[1])[3:]}")
WITHIN_LETTERS = st.tuples(
    st.sampled_from(["tel", "x", "ord-", "a", "id_", "IBAN", "T:"]), DIGITS
).map("".join)
TELEPHONE = st.one_of(DIGITS, DIGITS.map(lambda digits: f"+{digits}"), SEPARATED, WITHIN_LETTERS)
NAME = st.sampled_from(
    ["Aroha Ngata", "maria-lopez", "O'Brien", "Zoë", "李小龙", "Jean_Luc", "Ivan", "john.smith84"]
)
WORDS = st.sampled_from(
    ["rent", "late", "please", "stop", "lawyer", "cannot", "pay", "ill", "sorry", "$200", "😢"]
)
TEXT = st.one_of(
    st.lists(WORDS, min_size=3, max_size=12).map(" ".join),
    # One word in the shape of an identifier can't be told from one: docs/logs.md says so.
    st.text(min_size=12, max_size=80).filter(
        lambda text: len(text.strip()) >= 12 and not re.fullmatch(r"[A-Za-z0-9_.:\-]+", text)
    ),
    st.sampled_from(["im2late", "call2me2moro", "pay84later"]),
)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
CREDENTIAL = st.one_of(
    st.text(LETTERS, min_size=20, max_size=40).map(lambda key: f"sk-{key}"),
    st.text(LETTERS, min_size=20, max_size=40).map(lambda key: f"Bearer {key}"),
    st.text(LETTERS, min_size=30, max_size=60).map(lambda key: f"aB3{key}"),
)
PERSONAL = st.one_of(TELEPHONE, NAME, TEXT, CREDENTIAL)


def stands_in(value: str, line: str) -> bool:
    """Whether ``value`` can be read in ``line``, escaped or not."""
    forms = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    digits = "".join(character for character in value if character in "0123456789")
    if len(digits) >= 10:
        forms.add(digits)
    return any(form in line for form in forms)
