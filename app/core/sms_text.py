"""What a text must be to be sent to somebody or kept, whoever has written it."""

import unicodedata

LONGEST = 1600
"""Characters of one text: what providers of SMS take at once."""

_BLANK_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
# Letters, marks and symbols that show nothing: fillers, an empty cell of Braille, joiners,
# selectors of a variant.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(selector) for selector in range(0xFE00, 0xFE10)
}
_LAYOUT = frozenset("\t\n\r")


def is_blank(text: str) -> bool:
    """Whether a reader would see nothing, such as spaces or a zero-width space alone."""
    return all(
        character in _BLANK or unicodedata.category(character) in _BLANK_CATEGORIES
        for character in text
    )


def has_control_characters(text: str) -> bool:
    """Whether it holds a control character, such as NUL, that is no line end and no tab."""
    return any(
        unicodedata.category(character) == "Cc" and character not in _LAYOUT for character in text
    )
