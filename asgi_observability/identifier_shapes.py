"""Which texts can only be identifiers, decided by their shape.

Two mistakes are possible. A telephone number, a name or a key that passes is in every line of a
request; an ID of a caller that does not pass is replaced by another, or hashed. So a text passes in
two ways only: it has the shape of an ID that programs make (a UUID, a KSUID, a ULID, a nanoid, long
hexadecimal numbers), or it is words and short numbers with separators between them, such as
``tenant-42``. A letter beside a digit proves nothing: ``tel15551234567`` is a telephone number.

What no shape can tell: ``john-84`` is as good as ``tenant-84``.
"""

import base64
import binascii
import re
from functools import lru_cache

MAX_LENGTH = 128

TELEPHONE_DIGITS = 7
"""From here on, digits with at most two separators between them could be a telephone number."""

SERIAL_DIGITS = 8
"""A serial number behind a word may have this many; a telephone number with its area has more."""

# Only these digits and letters: others would slip past the checks, and forge what is read.
_ALPHABET = re.compile(r"[A-Za-z0-9_.:\-]{1,128}")

_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_ALONE = r"(?<![A-Za-z0-9]){}(?![A-Za-z0-9])"
_PARTS = re.compile(
    "|".join(
        _ALONE.format(part)
        for part in (
            rf"(?P<uuid>{_UUID})",
            r"(?P<amazon>1-[0-9a-f]{8}-[0-9a-f]{24})",
            r"(?P<ulid>0(?:[0-9A-HJKMNP-TV-Z]{25}|[0-9a-hjkmnp-tv-z]{25}))",
            # Twenty-seven of base 62, the first part a time: it begins with a digit until 2051.
            r"(?P<ksuid>[0-9](?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*[A-Z])[A-Za-z0-9]{26})",
            # With two letters before them, as Twilio has it: 32 of them.
            r"(?P<hex>[0-9a-f]{8,64}|[0-9A-F]{8,64}|[A-Z]{2}[0-9a-f]{32})",
            # cuid, cuid2 and xid: lower case only.
            r"(?P<lower>(?=[a-z]*[0-9])(?:[a-z][a-z0-9]{23,24}|[0-9a-v]{20}))",
        )
    )
)
_USUAL = re.compile(rf"{_UUID}|[a-z]{{1,16}}[_\-][0-9]{{1,4}}")
_NANOID = re.compile(r"(?:[a-z]{1,12}[_:\-])?(?P<id>[A-Za-z0-9_\-]{21})")

# The tracing headers of AWS and Google, whose punctuation no other identifier has.
_AMAZON = re.compile(
    r"(?:Self=1-[0-9a-f]{8}-[0-9a-f]{24};)?Root=1-[0-9a-f]{8}-[0-9a-f]{24}"
    r"(?:;Parent=[0-9a-f]{16})?(?:;Sampled=[01?])?"
)
_GOOGLE = re.compile(r"[0-9a-f]{32}/[0-9]{1,20}(?:;o=[0-3])?")

_NUMBER = re.compile(r"[0-9](?:[._:\-]{0,2}[0-9])*")
_BEHIND_A_WORD = re.compile(r"(?:^|[^A-Za-z0-9])(?P<word>[A-Za-z]{3,})[._:\-]$")
_TELEPHONE_WORD = re.compile(
    r"(?i:tele?|(?:tele?|mobile?|cell)?(?:phone?|fone?|fono)(?:s|number|nummer|nr|num|no)?|"
    r"mob|mobile?|movil|cell|cellular|celular|handy|fax|call|sms|text|txt|whatsapp|signal|viber|imsg|"
    r"msisdn|contact|contacto|kontakt|number|nummer|numero|num|nr|home|work)"
)
# Serial numbers in one piece, years with a serial number, and dates: of these years only, for older
# ones are birthdays.
_SERIAL = re.compile(
    r"[0-9]{7,8}|20[1-9][0-9][._:\-][0-9]{1,3}|20[1-9][0-9]([._:\-])[01][0-9]\1[0-3][0-9]"
)

_SMALL = re.compile(r"[A-Za-z]{1,2}[0-9]{1,6}|[0-9]{1,6}[A-Za-z]{1,2}|sha[0-9]{1,3}|md5")
_HEX = re.compile(r"[0-9a-f]{4,}|[0-9A-F]{4,}")
# Kubernetes makes the ends of its names of these: no vowels, so that no words come about.
_KUBERNETES = re.compile(r"(?=[a-z]*[0-9])[bcdfghjklmnpqrstvwxz2456789]{5,10}")
_LETTERS = re.compile("[A-Za-z]+")
_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+")
# Of letters in both cases that are drawn, more look like a word of four letters.
_SPOKEN = re.compile(r"(?=.*[aeiouyAEIOUY])(?:[A-Z]?[a-z]{4,}|[A-Z]{5,})")
_SPOKEN_IN_ONE_CASE = re.compile(r"(?=.*[aeiouyAEIOUY])(?:[a-z]{4,}|[A-Z]{4,})")
_SAYABLE = re.compile("(?=.*[aeiouy])(?!.*[bcdfghjklmnpqrstvwxz]{5}).*", re.IGNORECASE)
_HUMP = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_GROUP = re.compile("[A-Za-z]+|[0-9]+")

# An address on the internet is somebody's, too.
_INTERNET_ADDRESS = re.compile(
    r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]{1,5})?"
    r"|(?=.*::)[0-9a-fA-F:]*(?::[0-9.]{7,15})?|(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}"
)
_IBAN = re.compile(r"[A-Za-z]{2}[0-9]{2}[A-Za-z0-9]{11,30}")
_CREDENTIAL = re.compile(
    r"(?i:sk|pk|rk|ghp|gho|ghs|ghu|github_pat|glpat|xox[a-z]|akia|asia|bearer|basic|token|key)"
    r"[_\-:.].*"
    r"|AKIA.*|eyJ.*"
)
_LOOKS_DRAWN = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9]).{20,}")


def is_identifier(text: str) -> bool:
    """Whether ``text`` can only be an identifier."""
    return bool(_USUAL.fullmatch(text)) or (len(text) <= MAX_LENGTH and _is_identifier(text))


# The same few come again and again, in every line of a request.
@lru_cache(maxsize=2048)
def _is_identifier(text: str) -> bool:
    if not _ALPHABET.fullmatch(text):
        return bool(_AMAZON.fullmatch(text) or _GOOGLE.fullmatch(text))
    nanoid = _NANOID.fullmatch(text)
    if nanoid and _is_drawn(nanoid["id"]):
        return nanoid["id"] == text or not _CREDENTIAL.fullmatch(text)
    # What is left when the parts that programs make are cut out, with what nothing reaches across.
    rest = _PARTS.sub(_cut, text)
    return (
        not _CREDENTIAL.fullmatch(text)
        and not _INTERNET_ADDRESS.fullmatch(text)
        and not _LOOKS_DRAWN.search(rest)
        and (rest != text or any("0" <= each <= "9" for each in text))
        and not _is_iban(re.sub(r"[._:\-]", "", rest))
        and not _says_text(rest)
        and not _has_telephone(rest)
        and all(_is_short_part(part) for part in re.split(r"[._:\-~]", rest))
    )


def is_nanoid(text: str) -> bool:
    """Whether ``text`` is a nanoid; it alone may begin with a dash or an underscore."""
    return len(text) == 21 and bool(_NANOID.fullmatch(text)) and _is_drawn(text)


def is_trace_header(text: str) -> bool:
    """Whether ``text`` is what AWS or Google send to follow a request by."""
    return bool(_AMAZON.fullmatch(text) or _GOOGLE.fullmatch(text))


def _cut(found: re.Match[str]) -> str:
    kind, part = found.lastgroup, found[0]
    match kind:
        case "hex":
            # One group of digits with a few letters around it is a number that somebody has typed.
            is_made = len(re.findall("[0-9]+", part)) > 1 or len(part) >= 32
            is_made = is_made and not _hexadecimal_text(part)
        case "lower":
            is_made = not re.search("[0-9]{7}", part) and len(_GROUP.findall(part)) >= 4
        case "ksuid":
            is_made = not re.search("[0-9]{9}", part) and not _decodes(part)
        case "ulid":
            is_made = not re.search("[0-9]{15}", part)
        case _:
            is_made = True
    return "~" if is_made else part


def _is_drawn(text: str) -> bool:
    """Whether 21 characters of a nanoid's alphabet have been drawn, and not been written."""
    number = max(_NUMBER.finditer(text), key=_digits_in, default=None)
    words = _LETTERS.findall(text)
    are_words = all(_WORD.fullmatch(word) for word in words)
    if number and _digits_in(number) >= TELEPHONE_DIGITS:
        beside = (number.start(), len(text) - number.end())
        return not are_words and max(beside) > 6
    if not are_words or not all(map(_SAYABLE.fullmatch, words)):
        return True
    return bool(number) and any(len(word) < 3 for word in words)


def _has_telephone(text: str) -> bool:
    for number in _NUMBER.finditer(text):
        digits = _digits_in(number)
        if digits > SERIAL_DIGITS:
            return True
        before = _BEHIND_A_WORD.search(text[: number.start()])
        is_telephones = before and _TELEPHONE_WORD.fullmatch(before["word"])
        if digits >= 5 and is_telephones:
            return True
        if digits >= TELEPHONE_DIGITS:
            ends = number.end() == len(text) or text[number.end()] in "._:-~"
            if not (before and ends and _SERIAL.fullmatch(number[0])):
                return True
    return False


def _digits_in(number: re.Match[str]) -> int:
    return sum("0" <= each <= "9" for each in number[0])


def _is_short_part(part: str) -> bool:
    """Whether what stands between two separators is a word, a short number or drawn by chance."""
    groups = _GROUP.findall(part)
    if len(groups) < 2 or _SMALL.fullmatch(part) or _KUBERNETES.fullmatch(part):
        return True
    if _HEX.fullmatch(part):
        if _hexadecimal_text(part):
            return False
        # Ada, Bea, Deb and Fae are hexadecimal, too.
        return len(groups) > 2 or max(len(each) for each in groups if each.isalpha()) < 3
    humps = _HUMP.findall(part)
    spoken = _SPOKEN_IN_ONE_CASE if part.islower() or part.isupper() else _SPOKEN
    return len(part) >= 8 and len(humps) >= 4 and not any(map(spoken.fullmatch, humps))


def _is_iban(text: str) -> bool:
    """Whether the check digits of an account number are right, as they are by chance in 1 of 97."""
    if not _IBAN.fullmatch(text):
        return False
    return int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1


def _says_text(rest: str) -> bool:
    """Whether it is a text in base 64, as a whole or in one of its parts."""
    parts = {rest, *re.split("[.:~]", rest), *re.split(r"[._:\-~]", rest)}
    return any(_decodes(part) for part in parts)


def _decodes(part: str) -> bool:
    # Texts in base 64 have letters of both cases; numbers and words have one.
    if len(part) < 6 or part.islower() or part.isupper() or part.istitle() or "~" in part:
        return False
    try:
        said = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        return said.decode().replace("\n", " ").isprintable()
    except (binascii.Error, ValueError):
        return False


def _hexadecimal_text(part: str) -> bool:
    if len(part) < 20 or len(part) % 2 or not _HEX.fullmatch(part):
        return False
    said = bytes.fromhex(part)
    return said.isascii() and said.decode().isprintable()
