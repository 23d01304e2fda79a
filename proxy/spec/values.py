"""Text of labels and settings into values: a parser returns a value or raises InvalidValueError, nothing else."""

import re
import warnings
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from proxy.problem import did_you_mean

T = TypeVar("T")

_DAY: Final = 86_400.0
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*([a-z]*)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE: Final = re.compile(r"([0-9]{1,12})\s*([a-z]*)")
_SIZE_UNITS: Final = {
    "": 1,
    "b": 1,
    "k": 1 << 10,
    "kib": 1 << 10,
    "m": 1 << 20,
    "mib": 1 << 20,
    "g": 1 << 30,
    "gib": 1 << 30,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_NUMBER: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_STATUS_RANGE: Final = re.compile(r"([1-5][0-9][0-9])(?:\s*-\s*([1-5][0-9][0-9]))?")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")  # RFC 9110 section 5.6.2
_PRINTABLE: Final = re.compile(r"[ -~]{0,4096}")
_LONGEST_SHOWN: Final = 60
_LONGEST_REGULAR_EXPRESSION: Final = 1000


class InvalidValueError(ValueError):
    """A text that is no such value. The message says what is wrong, `hint` what to write."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


def shown(text: str) -> str:
    """A text as a message shows it: quoted, control characters escaped, cut when long."""
    return repr(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…")


def list_items(text: str) -> list[str]:
    """The items of a comma list, without the spaces around them; empty ones are left out."""
    return [item for part in text.split(",") if (item := part.strip())]


# one value


def parse_boolean(text: str) -> bool:
    """`true` or `false`, in any case."""
    word = text.strip().lower()
    if word not in ("true", "false"):
        raise InvalidValueError(f"{shown(text)} is not a boolean", "write true or false")
    return word == "true"


def parse_duration(text: str) -> float:
    """`250ms`, `2s`, `1.5m`, `1h` in seconds; `0` needs no unit."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise InvalidValueError(f"{shown(text)} is not a duration", "write a number and a unit: 250ms, 2s, 1m, 1h")
    number, unit = match.groups()
    if not unit and float(number) == 0.0:
        return 0.0
    if unit not in _UNITS:
        what = f"has the unknown unit {shown(unit)}" if unit else "has no unit"
        raise InvalidValueError(f"{shown(text)} {what}", f"write {number}ms, {number}s, {number}m or {number}h")
    # rounded: products with 0.001 are not exact
    return round(float(number) * _UNITS[unit], 9)


def parse_size(text: str) -> int:
    """`64KiB`, `1MiB`, `100kB`, `4096` in bytes."""
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None or match[2] not in _SIZE_UNITS:
        raise InvalidValueError(f"{shown(text)} is not a size", "write bytes, or a number and a unit: 64KiB, 1MiB")
    return int(match[1]) * _SIZE_UNITS[match[2]]


def parse_port(text: str) -> int:
    """A TCP port, 1 to 65535."""
    match = _PORT.fullmatch(text.strip())  # strip() knows more kinds of space than int() does
    if match is None or not 0 < int(match[0]) <= 65535:
        raise InvalidValueError(f"{shown(text)} is not a port", "write a number from 1 to 65535")
    return int(match[0])


def parse_status_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """`200-399`, `200,204,300-308`: inclusive ranges of status codes."""
    ranges = []
    for item in list_items(text):
        match = _STATUS_RANGE.fullmatch(item)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if low > high:
            raise InvalidValueError(
                f"{shown(item)} is not a status or a range of them", "write 200, 200-399 or 200,204"
            )
        ranges.append((low, high))
    if not ranges:
        raise InvalidValueError("no status is given", "write 200, 200-399 or 200,204")
    return tuple(ranges)


def parse_statuses(text: str) -> tuple[int, ...]:
    """The same, spelled out: each status once, in the order given. An empty text or `none`: none at all."""
    if text.strip().lower() in ("", "none"):
        return ()
    return tuple(dict.fromkeys(status for low, high in parse_status_ranges(text) for status in range(low, high + 1)))


def parse_token(text: str) -> str:
    """A name of HTTP: of a field, a method, a cookie (RFC 9110 section 5.6.2, RFC 6265 section 4.1.1)."""
    if not _TOKEN.fullmatch(text.strip()):
        raise InvalidValueError(f"{shown(text)} is not a name", "use letters, digits, - and _")
    return text.strip()


def parse_printable(text: str) -> str:
    """Text that may stand in a field line: visible ASCII and spaces, no line breaks."""
    if not _PRINTABLE.fullmatch(text):
        raise InvalidValueError(f"{shown(text)} has characters other than printable ASCII")
    return text.strip()


def parse_regular_expression(text: str) -> str:
    """A regular expression, as text; it is known to compile."""
    if len(text) > _LONGEST_REGULAR_EXPRESSION:
        raise InvalidValueError(f"a regular expression of {len(text)} characters is too long")
    try:
        with warnings.catch_warnings(action="ignore"):  # of what a later Python may read in another way
            re.compile(text)
    # hostile ones: groups nested past the recursion limit, repeats past what a machine word holds
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidValueError(f"{shown(text)} is not a regular expression: {error}") from None
    return text


# parsers made to measure


def integer(lowest: int, highest: int) -> Callable[[str], int]:
    """A parser of whole numbers in a range, both ends included."""

    def parse(text: str) -> int:
        match = _INTEGER.fullmatch(text.strip())
        if match is None:
            raise InvalidValueError(f"{shown(text)} is not a whole number", f"write one from {lowest} to {highest}")
        number = int(match[0])
        if not lowest <= number <= highest:
            raise InvalidValueError(f"{number} is out of range", f"write a number from {lowest} to {highest}")
        return number

    return parse


def number(lowest: float, highest: float) -> Callable[[str], float]:
    """A parser of numbers in a range, both ends included."""

    def parse(text: str) -> float:
        match = _NUMBER.fullmatch(text.strip())
        if match is None or not lowest <= float(match[0]) <= highest:
            raise InvalidValueError(f"{shown(text)} is not a number from {lowest:g} to {highest:g}")
        return float(match[0])

    return parse


def duration(lowest: float, highest: float = _DAY) -> Callable[[str], float]:
    """A parser of durations in a range of seconds, both ends included."""

    def parse(text: str) -> float:
        seconds = parse_duration(text)
        if not lowest <= seconds <= highest:
            raise InvalidValueError(f"{shown(text)} is out of range", f"write {lowest:g}s to {highest:g}s")
        return seconds

    return parse


def size(highest: int) -> Callable[[str], int]:
    """A parser of sizes up to `highest` bytes."""

    def parse(text: str) -> int:
        count = parse_size(text)
        if count > highest:
            raise InvalidValueError(f"{shown(text)} is too large", f"at most {highest} bytes")
        return count

    return parse


def optional(parse: Callable[[str], T], word: str = "none") -> Callable[[str], T | None]:
    """A parser for which `word`, or nothing, stands for None."""

    def parse_optional(text: str) -> T | None:
        return None if text.strip().lower() in ("", word) else parse(text)

    return parse_optional


def choice(what: str, values: Iterable[tuple[str, T]]) -> Callable[[str], T]:
    """A parser of one word out of a few."""
    known = dict(values)

    def parse(text: str) -> T:
        word = text.strip().lower()
        if word not in known:
            one_of = f"one of {', '.join(known)}"
            close = did_you_mean(word, known) if len(word) <= _LONGEST_SHOWN else ""
            raise InvalidValueError(f"{shown(text)} is not a {what}", close or one_of)
        return known[word]

    return parse
