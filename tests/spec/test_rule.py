"""The rule language: what a text means, where it is wrong, and that any tree survives being printed and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.spec.route import EVERYTHING, AllOf, AnyOf, Header, Host, Method, Not, Path, PathPrefix, Query, Rule
from proxy.spec.rule import DEEPEST, LONGEST, MOST_CONDITIONS, RuleError, meaning, parse_rule, render, rule_of
from proxy.spec.values import InvalidValueError

A, B, C = Host("a.example"), Host("b.example"), PathPrefix("/c")

READ: dict[str, tuple[str, Rule]] = {
    "an argument in backticks": ("Host(`a.example`)", A),
    "an argument in double quotes": ('Host("a.example")', A),
    "an argument in single quotes": ("Host('a.example')", A),
    "a bare argument": ("Host(a.example)", A),
    "a host in capitals with a port": ("Host(A.Example:8080)", A),
    "a function in another case": ("host(a.example)", A),
    "several hosts mean any": ("Host(a.example, `b.example`)", AnyOf((A, B))),
    "the same host twice": ("Host(a.example, A.EXAMPLE)", A),
    "several prefixes mean any": ("PathPrefix(/c, /d/)", AnyOf((C, PathPrefix("/d")))),
    "an exact path": ("Path(/a/)", Path("/a/")),
    "methods in lower case": ("Method(get, POST)", AnyOf((Method("GET"), Method("POST")))),
    "a header": ("Header(X-Env, `blue, green`)", Header("x-env", "blue, green")),
    "a header with an empty value": ("Header(X-Env, ``)", Header("x-env", "")),
    "a query parameter": ("Query(debug, 1)", Query("debug", "1")),
    "and": ("Host(a.example) && PathPrefix(/c)", AllOf((A, C))),
    "or": ("Host(a.example)||Host(b.example)", AnyOf((A, B))),
    "and binds closer than or": ("Host(a.example) || Host(b.example) && PathPrefix(/c)", AnyOf((A, AllOf((B, C))))),
    "parentheses": ("(Host(a.example) || Host(b.example)) && PathPrefix(/c)", AllOf((AnyOf((A, B)), C))),
    "not binds closest": ("!Host(a.example) && PathPrefix(/c)", AllOf((Not(A), C))),
    "not of parentheses": ("! ( Host(a.example) && PathPrefix(/c) )", Not(AllOf((A, C)))),
    "not twice": ("!!Host(a.example)", Not(Not(A))),
    "chains come out flat": ("(Host(a.example) && Host(b.example)) && PathPrefix(/c)", AllOf((A, B, C))),
    "white space of all kinds": ("\n Host ( a.example )\t&&\nPathPrefix(/c) ", AllOf((A, C))),
    "a quote inside other quotes": ('Header(x, "it\'s")', Header("x", "it's")),
}

REFUSED: dict[str, tuple[str, int, str]] = {
    "an empty rule": ("", 1, "expected a condition such as Host(a.example), ! or (, found the end"),
    "a misspelled function": ("Host(a) && PathPrefx(/a)", 12, "did you mean PathPrefix?"),
    "an unknown function": ("ClientIP(10.0.0.1)", 1, "there are Host, PathPrefix, Path, Method, Header, Query"),
    "a single ampersand": ("Host(a) & Host(b)", 9, "write &&"),
    "two rules side by side": ("Host(a) Host(b)", 9, "expected &&, || or the end, found 'Host(b)'"),
    "an operator at the end": ("Host(a) &&", 11, "found the end"),
    "an operator at the start": ("|| Host(a)", 1, "expected a condition"),
    "an open parenthesis": ("(Host(a)", 9, "expected &&, || or ), found the end"),
    "a closing one too many": ("Host(a))", 8, "found ')'"),
    "a function without parentheses": ("Host", 5, "expected ( after Host"),
    "no argument": ("Host()", 6, "expected an argument, found ')'"),
    "an argument missing": ("Host(a, )", 9, "expected an argument"),
    "an open list of arguments": ("Host(a", 7, "expected , or ), found the end"),
    "a quote that is never closed": ("Host(`a)", 6, "the quote ` is never closed"),
    "a bad host": ("Host(a, b c)", 11, "expected , or )"),
    "a bad second host": ("Host(a, `b c`)", 9, "not a host name"),
    "a path without slash": ("Path(a)", 6, "write /a"),
    "a header without value": ("Header(a)", 1, "Header takes a name and a value"),
    "a header with two values": ("Header(a, b, c)", 1, "Header takes a name and a value"),
    "a header that is no name": ("Header(`a b`, c)", 8, "not a name"),
    "a header value that cannot be sent": ("Header(a, 'b\nc')", 8, "printable"),
    "a query that cannot be sent": ("Query(a, `b&c`)", 7, "percent-encoded"),
    "a method that is none": ("Method(`G T`)", 8, "not a name"),
    "too deep by parentheses": ("(" * DEEPEST + "Host(a)" + ")" * DEEPEST, DEEPEST + 1, "more than 32 levels"),
    "too deep by negations": ("!" * 5000 + "Host(a)", DEEPEST + 1, "more than 32 levels"),
    "too many conditions": (" || ".join(["Host(a)"] * (MOST_CONDITIONS + 1)), 256 * 11 + 6, "more than 256"),
    "too long": ("Host(a)" + " " * LONGEST, LONGEST + 1, "longer than 8192"),
}


@pytest.mark.parametrize(("text", "rule"), READ.values(), ids=READ.keys())
def test_rule_is_read(text: str, rule: Rule) -> None:
    assert parse_rule(text) == rule


@pytest.mark.parametrize(("text", "position", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_rule_is_refused(text: str, position: int, words: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rule(text)
    assert caught.value.position == position
    assert words in f"{caught.value} ({caught.value.hint})"


def test_deepest_rule_is_read() -> None:
    assert parse_rule("(" * (DEEPEST - 1) + "Host(a.example)" + ")" * (DEEPEST - 1)) == A


# host and path labels

LISTED: dict[str, tuple[str | None, str | None, Rule]] = {
    "neither": (None, None, EVERYTHING),
    "one host": ("a.example", None, A),
    "several hosts": ("a.example, B.example:80,", None, AnyOf((A, B))),
    "one path": (None, "/c/", C),
    "several paths": (None, "/c,/d", AnyOf((C, PathPrefix("/d")))),
    "hosts and path": ("a.example,b.example", "/c", AllOf((AnyOf((A, B)), C))),
}


@pytest.mark.parametrize(("hosts", "paths", "rule"), LISTED.values(), ids=LISTED.keys())
def test_host_and_path_make_a_rule(hosts: str | None, paths: str | None, rule: Rule) -> None:
    assert rule_of(hosts, paths) == rule


@pytest.mark.parametrize(
    ("hosts", "paths"),
    [
        pytest.param("", None, id="an empty host never becomes every host"),
        pytest.param(" , ", None, id="a list of nothing neither"),
        pytest.param(None, "", id="nor an empty path every path"),
        pytest.param("a.example,*", None, id="one bad host of a list"),
        pytest.param(None, "c", id="a path without slash"),
        pytest.param(",".join(["a"] * 257), None, id="a list without end"),
    ],
)
def test_bad_host_or_path_is_refused(hosts: str | None, paths: str | None) -> None:
    with pytest.raises(InvalidValueError):
        rule_of(hosts, paths)


# sameness

SAME: dict[str, tuple[str, str]] = {
    "order of hosts": ("Host(a, b)", "Host(b) || Host(a)"),
    "order of conditions": ("Host(a) && PathPrefix(/c)", "PathPrefix(/c) && Host(a)"),
    "repetition": ("Host(a) && Host(a)", "Host(a)"),
    "a prefix that always holds": ("Host(a) && PathPrefix(/)", "Host(a)"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME.keys())
def test_rules_mean_the_same_despite(one: str, other: str) -> None:
    assert meaning(parse_rule(one)) == meaning(parse_rule(other))


def test_prefix_of_everything_means_everything() -> None:
    assert meaning(PathPrefix("/")) == meaning(EVERYTHING)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Host(a) && Host(b)", "Host(a) || Host(b)", id="and is not or"),
        pytest.param("!Host(a)", "Host(a)", id="not is not nothing"),
        pytest.param("Path(/a)", "PathPrefix(/a)", id="a path is no prefix"),
    ],
)
def test_rules_differ(one: str, other: str) -> None:
    assert meaning(parse_rule(one)) != meaning(parse_rule(other))


# properties

_words = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
_texts = st.text(alphabet=[chr(code) for code in range(33, 127) if chr(code) not in "`\"'"], max_size=12)
_paths = _words.map("/".__add__)
_conditions: st.SearchStrategy[Rule] = st.one_of(
    st.builds(Host, _words | _words.map("*.".__add__)),
    st.builds(PathPrefix, _paths),
    st.builds(Path, _paths),
    st.builds(Method, _words.map(str.upper)),
    st.builds(Header, _words, _texts | st.sampled_from(["it's", 'say "a"', "a, b", "(a)"])),
    st.builds(Query, _words, _words),
)


def _joined(rules: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    """One level more, in the form the parser makes: chains flat and without repetition."""
    several = st.lists(rules, min_size=2, max_size=3, unique=True).map(tuple)
    return st.one_of(
        st.builds(Not, rules),
        several.filter(lambda operands: not any(isinstance(each, AllOf) for each in operands)).map(AllOf),
        several.filter(lambda operands: not any(isinstance(each, AnyOf) for each in operands)).map(AnyOf),
    )


@given(st.recursive(_conditions, _joined, max_leaves=12))
def test_any_tree_printed_reads_back_the_same(rule: Rule) -> None:
    assert parse_rule(render(rule)) == rule


_pieces = st.sampled_from(
    [
        "Host",
        "Path",
        "(",
        ")",
        "&&",
        "||",
        "!",
        "&",
        ",",
        "`",
        '"',
        "'",
        " ",
        "a.example",
        "/a",
        "Header(a, b)",
        "é",
        "\0",
    ]
)


@given(st.text(max_size=60) | st.lists(_pieces, max_size=40).map("".join))
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    position, rule = 1, None
    try:
        rule = parse_rule(text)
    except RuleError as error:
        position = error.position
    assert 1 <= position <= len(text) + 1
    assert rule is None or parse_rule(render(rule)) == rule
