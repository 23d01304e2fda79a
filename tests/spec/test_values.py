"""Values by table: what a text means, and which texts are refused."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.spec import values
from proxy.spec.service_keys import KEYS
from proxy.spec.settings import SETTINGS
from proxy.spec.values import InvalidValueError

READ: list[tuple[str, Callable[[str], Any], str, Any]] = [
    ("milliseconds", values.parse_duration, "250ms", 0.25),
    ("seconds", values.parse_duration, "2s", 2.0),
    ("minutes", values.parse_duration, "1m", 60.0),
    ("hours", values.parse_duration, "1h", 3600.0),
    ("a fraction", values.parse_duration, "1.5s", 1.5),
    ("upper case and spaces", values.parse_duration, " 2 S ", 2.0),
    ("zero needs no unit", values.parse_duration, "0", 0.0),
    ("milliseconds come out exact", values.parse_duration, "7ms", 0.007),
    ("true", values.parse_boolean, "true", True),
    ("False with a capital", values.parse_boolean, " False ", False),
    ("bytes", values.parse_size, "4096", 4096),
    ("kibibytes", values.parse_size, "64KiB", 65536),
    ("decimal kilobytes", values.parse_size, "100 kB", 100_000),
    ("mebibytes, short", values.parse_size, "1m", 1 << 20),
    ("the greatest port", values.parse_port, "65535", 65535),
    ("a port with a space that int() does not know", values.parse_port, "80\x1f", 80),
    ("one status", values.parse_status_ranges, "204", ((204, 204),)),
    ("statuses and ranges", values.parse_status_ranges, "200-299, 404", ((200, 299), (404, 404))),
    ("statuses spelled out, each once", values.parse_statuses, "502-504,503,425", (502, 503, 504, 425)),
    ("no statuses", values.parse_statuses, "none", ()),
    ("a name of HTTP", values.parse_token, " X-Env ", "X-Env"),
    ("a regular expression", values.parse_regular_expression, "^o.k$", "^o.k$"),
    ("a regular expression that Python warns of", values.parse_regular_expression, "[[a]", "[[a]"),
    ("the lowest of a range", values.integer(1, 3), "1", 1),
    ("a negative number in range", values.integer(-5, 5), "-5", -5),
    ("a share", values.number(0, 1), "0.25", 0.25),
    ("none for an optional number", values.optional(values.integer(1, 3)), "None", None),
    ("nothing for an optional number", values.optional(values.integer(1, 3)), "", None),
    ("a value for an optional number", values.optional(values.integer(1, 3)), "2", 2),
    ("a word in any case", values.choice("thing", [("a", 1), ("b", 2)]), "B", 2),
]

REFUSED: list[tuple[str, Callable[[str], Any], str, str]] = [
    ("a duration without unit", values.parse_duration, "5", "has no unit"),
    ("a duration of an unknown unit", values.parse_duration, "5d", "unknown unit"),
    ("a negative duration", values.parse_duration, "-5s", "not a duration"),
    ("a duration of two parts", values.parse_duration, "1m30s", "not a duration"),
    ("an empty duration", values.parse_duration, "", "not a duration"),
    ("a duration in Arabic digits", values.parse_duration, "\u0665s", "not a duration"),
    ("a duration past any float", values.parse_duration, "9" * 400 + "s", "not a duration"),
    ("a duration over the range", values.duration(0, 10), "11s", "out of range"),
    ("a duration under the range", values.duration(1, 10), "0", "out of range"),
    ("yes", values.parse_boolean, "yes", "not a boolean"),
    ("an empty boolean", values.parse_boolean, "", "not a boolean"),
    ("a size of an unknown unit", values.parse_size, "5 apples", "not a size"),
    ("a negative size", values.parse_size, "-5", "not a size"),
    ("a size over the limit", values.size(10), "11", "too large"),
    ("port 0", values.parse_port, "0", "not a port"),
    ("a port past 16 bits", values.parse_port, "65536", "not a port"),
    ("a port with protocol", values.parse_port, "80/tcp", "not a port"),
    ("a port with sign", values.parse_port, "+80", "not a port"),
    ("a range that runs backwards", values.parse_status_ranges, "399-200", "not a status"),
    ("a status of two digits", values.parse_status_ranges, "20", "not a status"),
    ("a status past 599", values.parse_status_ranges, "600", "not a status"),
    ("no status at all", values.parse_status_ranges, " , ", "no status"),
    ("a name with a space", values.parse_token, "X Env", "not a name"),
    ("an empty name", values.parse_token, "", "not a name"),
    ("a name with a line break inside", values.parse_token, "a\r\nb", "not a name"),
    ("a line break in text", values.parse_printable, "a\r\nInjected: b", "printable"),
    ("text outside ASCII", values.parse_printable, "café", "printable"),
    ("a broken regular expression", values.parse_regular_expression, "(", "not a regular expression"),
    ("a regular expression nested past the stack", values.parse_regular_expression, "(" * 999, "not a regular"),
    ("a repeat past a machine word", values.parse_regular_expression, "a{99999999999999999999}", "not a regular"),
    ("an endless regular expression", values.parse_regular_expression, "a" * 1001, "too long"),
    ("a number over the range", values.integer(1, 3), "4", "out of range"),
    ("a fraction where a whole number goes", values.integer(1, 3), "1.5", "not a whole number"),
    ("a whole number with underscore", values.integer(1, 3000), "1_000", "not a whole number"),
    ("more digits than Python converts", values.integer(1, 3), "1" * 5000, "not a whole number"),
    ("a share over one", values.number(0, 1), "1.1", "not a number from 0 to 1"),
    ("not a number", values.number(0, 1), "nan", "not a number"),
    ("an unknown word", values.choice("thing", [("a", 1), ("b", 2)]), "c", "not a thing"),
]


@pytest.mark.parametrize(("parse", "text", "value"), [pytest.param(*row[1:], id=row[0]) for row in READ])
def test_text_is_read(parse: Callable[[str], Any], text: str, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(("parse", "text", "what"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_text_is_refused(parse: Callable[[str], Any], text: str, what: str) -> None:
    with pytest.raises(InvalidValueError, match=what):
        parse(text)


def test_message_shows_a_long_text_cut() -> None:
    with pytest.raises(InvalidValueError) as caught:
        values.parse_boolean("x" * 100_000)
    assert len(str(caught.value)) < 120


def test_message_escapes_control_characters() -> None:
    with pytest.raises(InvalidValueError, match=r"'a\\nb' is not a boolean"):
        values.parse_boolean("a\nb")


def test_unknown_word_gets_the_closest_or_all() -> None:
    parse = values.choice("policy", [("random", 1), ("round-robin", 2)])
    with pytest.raises(InvalidValueError) as close:
        parse("randm")
    with pytest.raises(InvalidValueError) as far:
        parse("xyz")
    assert (close.value.hint, far.value.hint) == ("did you mean random?", "one of random, round-robin")


@given(st.text(max_size=40) | st.text(alphabet="0123456789.,-+_ smhkib/*:()[]{}\\?", max_size=40))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    for parse in [key.parse for key in KEYS.values()] + [setting.parse for setting in SETTINGS.values()]:
        words = "read"
        try:
            parse(text)
        except InvalidValueError as error:
            words = str(error)
        assert words
