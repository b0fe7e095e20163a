"""IDs and telephone numbers as they come about, drawn from a random.Random."""

import string
from collections.abc import Callable
from random import Random
from uuid import UUID

BASE_62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
KUBERNETES = "bcdfghjklmnpqrstvwxz2456789"

Drawn = Callable[[Random], str]


def of(alphabet: str, length: int) -> Drawn:
    """``length`` characters of ``alphabet``."""
    return lambda random: "".join(random.choice(alphabet) for _ in range(length))


def uuid4(random: Random) -> str:
    """A UUID."""
    return str(UUID(int=random.getrandbits(128), version=4))


def ksuid(random: Random) -> str:
    """Seconds since 2014 and 128 bits, in base 62: https://github.com/segmentio/ksuid."""
    number = random.randrange(100_000_000, 700_000_000) << 128 | random.getrandbits(128)
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = BASE_62[digit] + digits
    return digits.rjust(27, "0")


def ulid(random: Random) -> str:
    """Milliseconds since 1970 and 80 bits, in Crockford's base 32."""
    number = random.randrange(1_600_000_000_000, 2_000_000_000_000) << 80 | random.getrandbits(80)
    return "".join(CROCKFORD[number >> 5 * place & 31] for place in range(25, -1, -1))


nanoid = of(f"{BASE_62}_-", 21)
hexadecimal = of("0123456789abcdef", 32)


def amazon(random: Random) -> str:
    """A trace header of AWS: the time and 96 bits."""
    return f"Root=1-{hexadecimal(random)[:8]}-{hexadecimal(random)[:24]}"


def telephone_number(random: Random) -> str:
    """A number with its area, in the groups in which countries write it."""
    country = random.choice(["", "", "1", "44", "49", "64", "0", "00", "0064", "86", "353"])
    length = random.choice([9, 10, 10, 11])
    digits = of(string.digits, length)(random)
    groups = random.choice(
        [
            *([length], [3, 3, length - 6], [3, length - 3], [2, 2, 2, 2, length - 8]),
            *([4, length - 4], [3, 3, 3, length - 9], [length - 4, 4], [5, length - 5]),
        ]
    )
    parts, at = [country], 0
    for group in groups:
        parts.append(digits[at : at + group])
        at += group
    return random.choice(["", "-", ".", "_", ":", "--", " ", ") "]).join(filter(None, parts))


def local_number(random: Random) -> str:
    """A number without its area, in the groups in which people write it."""
    length = random.choice([3, 4])
    ends = of(string.digits, length)(random), of(string.digits, 4)(random)
    return random.choice("-._: ").join(ends)


def within_letters(number: Drawn) -> Drawn:
    """The same with up to five letters before and behind it, perhaps set off."""

    def drawn(random: Random) -> str:
        alphabet = random.choice(
            [string.ascii_lowercase, string.ascii_letters, string.ascii_uppercase, "abcdef"]
        )
        before = of(alphabet, random.randrange(6))(random)
        behind = of(alphabet, random.randrange(6))(random)
        set_off = ["", "", "-", "_", ".", ":"]
        if before:
            before += random.choice([*set_off, "+", "="])
        if behind:
            behind = random.choice(set_off) + behind
        return before + number(random) + behind

    return drawn
