"""The proxy's own settings: where each can come from, who goes before whom, and everything that can be wrong."""

import ipaddress
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.problem import Severity
from proxy.spec import kinds
from proxy.spec.config import Resolved, resolve
from proxy.spec.proxy import ProxySpec
from proxy.spec.service import PolicyName
from proxy.spec.settings import SETTINGS
from proxy.spec.static import parse_static


def resolved(
    cli: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    document: Mapping[str, object] | None = None,
    in_container: bool = False,
) -> Resolved:
    return resolve(cli or {}, environment or {}, labels or {}, document or {}, in_container, file="my.toml")


def test_nothing_given_makes_the_defaults() -> None:
    outcome = resolved()
    assert (outcome.spec, outcome.problems) == (ProxySpec(), ())
    assert dict(outcome.origins) == dict.fromkeys(SETTINGS, "default")


def test_admin_listens_to_everybody_in_a_container_only() -> None:
    assert resolved(in_container=True).spec.admin == ("", 9900)
    assert resolved(in_container=False).spec.admin == ("127.0.0.1", 9900)


# every setting, from every place

TEXTS: dict[str, tuple[str, str, Any]] = {
    "listen": ("[::1]:80", "listen", (("::1", 80, False),)),
    "admin": ("localhost:0", "admin", ("localhost", 0)),
    "admin-token": ("s3cret", "admin_token", "s3cret"),
    "workers": ("1", "workers", 1),
    "pin-workers": ("true", "pin_workers", True),
    "takeover": ("/run/seawall.sock", "takeover", "/run/seawall.sock"),
    "docker": ("tcp://10.0.0.1:2376", "docker", "tcp://10.0.0.1:2376"),
    "expose-by-default": ("true", "expose_by_default", True),
    "constraint": ("tier=front", "constraints", (("tier", "front"),)),
    "backend": ("shop=http://a", "backends", (parse_static("shop=http://a"),)),
    "trusted-proxies": ("10.0.0.0/8", "trusted_proxies", (ipaddress.ip_network("10.0.0.0/8"),)),
    "request-head-timeout": ("5s", "request_head_timeout", 5.0),
    "body-timeout": ("6s", "body_timeout", 6.0),
    "keep-alive-timeout": ("7s", "keep_alive_timeout", 7.0),
    "default": ("timeout.response=5s", "defaults", {"timeout.response": "5s"}),
    "policy": ("random", "policy", PolicyName.RANDOM),
    "drain": ("1m", "drain", 60.0),
    "access-log": ("json", "access_log", "json"),
    "access-log-sample": ("0.25", "access_log_sample", 0.25),
    "otlp-endpoint": ("http://otel:4318", "otlp_endpoint", "http://otel:4318"),
    "trace-sample": ("0.1", "trace_sample", 0.1),
    "log-format": ("text", "log_format", "text"),
    "min-rate": ("1KiB", "min_rate", 1024),
    "max-head": ("64KiB", "max_head", 65536),
    "max-target": ("1KiB", "max_target", 1024),
    "max-fields": ("50", "max_fields", 50),
    "max-connections": ("9", "max_connections", 9),
    "max-connections-per-client": ("3", "max_connections_per_client", 3),
    "forwarded": ("true", "forwarded", True),
    "request-id": ("false", "request_id", False),
    "sticky-secret": ("0123456789abcdef", "sticky_secret", b"0123456789abcdef"),
}


def test_table_above_is_complete() -> None:
    assert TEXTS.keys() == SETTINGS.keys()


@pytest.mark.parametrize("key", TEXTS)
def test_setting_comes_from_every_place(key: str) -> None:
    text, field, value = TEXTS[key]
    setting = SETTINGS[key]
    in_file = {"defaults": {"timeout": {"response": "5s"}}} if key == "default" else {key: text}
    places = {
        f"command line --{key}": resolved(cli={key: [text] if setting.repeatable else text}),
        f"environment {setting.variable}": resolved(environment={setting.variable: text}),
        f"label seawall.proxy.{key}": resolved(labels={f"seawall.proxy.{key}": text}),
        "file my.toml: defaults.timeout.response" if key == "default" else f"file my.toml: {key}": resolved(
            document=in_file
        ),
    }
    for origin, outcome in places.items():
        assert outcome.problems == ()
        assert (getattr(outcome.spec, field), outcome.origins[key]) == (value, origin)


@pytest.mark.parametrize(
    ("places", "origin"),
    [
        (4, "command line --drain"),
        (3, "environment SEAWALL_DRAIN"),
        (2, "label seawall.proxy.drain"),
        (1, "file my.toml: drain"),
        (0, "default"),
    ],
)
def test_place_goes_before_those_below_it(places: int, origin: str) -> None:
    outcome = resolved(
        cli={"drain": "4s"} if places > 3 else {},
        environment={"SEAWALL_DRAIN": "3s"} if places > 2 else {},
        labels={"seawall.proxy.drain": "2s"} if places > 1 else {},
        document={"drain": "1s"} if places > 0 else {},
    )
    assert (outcome.spec.drain, outcome.origins["drain"]) == (float(places or 30), origin)


def test_list_of_one_place_replaces_the_whole_list_of_the_next() -> None:
    outcome = resolved(environment={"SEAWALL_LISTEN": ":81, :82"}, document={"listen": [":83"]})
    assert outcome.spec.listen == (("", 81, False), ("", 82, False))


def test_empty_list_in_the_file_is_a_list() -> None:
    outcome = resolved(document={"constraint": []})
    assert (outcome.spec.constraints, outcome.origins["constraint"]) == ((), "file my.toml: constraint")


def test_option_not_given_leaves_the_next_place() -> None:
    outcome = resolved(cli={"listen": [], "drain": None}, document={"listen": [":83"], "drain": "1s"})
    assert (outcome.spec.listen, outcome.spec.drain) == ((("", 83, False),), 1.0)


def test_empty_variable_and_label_are_not_given() -> None:
    outcome = resolved(environment={"SEAWALL_DRAIN": ""}, labels={"seawall.proxy.drain": " "})
    assert (outcome.spec.drain, outcome.problems) == (30.0, ())


def test_keys_of_the_command_line_may_have_underscores() -> None:
    assert resolved(cli={"admin_token": "x"}).spec.admin_token == "x"


def test_labels_in_any_case() -> None:
    assert resolved(labels={"Seawall.Proxy.Drain": "1s"}).spec.drain == 1.0


# discovery


def test_no_docker_turns_discovery_off() -> None:
    outcome = resolved(cli={"no-docker": True}, environment={"SEAWALL_DOCKER": "tcp://a:1"})
    assert (outcome.spec.docker, outcome.origins["docker"]) == (None, "command line --no-docker")


def test_no_docker_that_is_not_given_changes_nothing() -> None:
    assert resolved(cli={"no-docker": False}).spec.docker == "unix:///var/run/docker.sock"


def test_docker_none_in_the_environment_turns_discovery_off() -> None:
    assert resolved(environment={"SEAWALL_DOCKER": "none"}).spec.docker is None


# service-level defaults


def test_defaults_are_each_their_own_setting() -> None:
    outcome = resolved(
        cli={"default": ["timeout.response=5s", "seawall.limit.queue=9"]},
        document={"defaults": {"timeout": {"response": "7s", "idle": "8s"}, "retry.attempts": 2}},
    )
    assert outcome.spec.defaults == {
        "timeout.response": "5s",
        "limit.queue": "9",
        "timeout.idle": "8s",
        "retry.attempts": "2",
    }
    assert outcome.origins["default.timeout.response"] == "command line --default"
    assert outcome.origins["default.timeout.idle"] == "file my.toml: defaults.timeout.idle"
    assert outcome.origins["default"] == (
        "command line --default, file my.toml: defaults.timeout.idle, file my.toml: defaults.retry.attempts"
    )


def test_defaults_in_the_environment_may_have_commas_in_their_values() -> None:
    outcome = resolved(environment={"SEAWALL_DEFAULT": "health.status=200,204, policy=random"})
    assert outcome.spec.defaults == {"health.status": "200,204", "policy": "random"}


def test_defaults_in_the_file_may_be_lists_numbers_and_booleans() -> None:
    document = {
        "defaults": {"retry": {"statuses": [502, 503], "non-idempotent": True}, "circuit.ratio": 0.4, "limit.queue": 5}
    }
    assert resolved(document=document).spec.defaults == {
        "retry.statuses": "502,503",
        "retry.non-idempotent": "true",
        "circuit.ratio": "0.4",
        "limit.queue": "5",
    }


def test_policy_is_short_for_a_default() -> None:
    spec = resolved(cli={"policy": "Random"}).spec
    assert (spec.policy, spec.defaults) == (PolicyName.RANDOM, {"policy": "random"})


def test_default_of_a_higher_place_goes_before_policy_of_a_lower() -> None:
    outcome = resolved(cli={"default": ["policy=round-robin"]}, environment={"SEAWALL_POLICY": "random"})
    assert (outcome.spec.policy, outcome.origins["policy"]) == (PolicyName.ROUND_ROBIN, "command line --default")


def test_static_backends_have_the_defaults() -> None:
    spec = resolved(cli={"backend": ["http://a"], "default": ["timeout.response=5s"]}).spec
    assert [claim.service.timeout.response for claim in spec.backends] == [5.0]


# what is wrong

INVALID: dict[str, tuple[str, str, str]] = {
    "an address without colon": ("listen", "8080", "did you mean :8080?"),
    "an address without port": ("listen", "localhost", "write HOST:PORT"),
    "an address with an empty port": ("listen", "localhost:", "not a port"),
    "a port out of range": ("listen", ":65536", "not a port"),
    "an IPv6 address without brackets": ("listen", "::1:80", "in brackets"),
    "a host that is none": ("admin", "a b:80", "not a host name"),
    "a token with a space": ("admin-token", "a b", "the secret has spaces"),
    "no workers": ("workers", "0", "out of range"),
    "workers in words": ("workers", "many", "not a whole number"),
    "an engine without scheme": ("docker", "/var/run/docker.sock", "write unix:///var/run/docker.sock"),
    "a receiver without scheme": ("otlp-endpoint", "otel:4318", "write http://HOST:4318"),
    "a receiver without host": ("otlp-endpoint", "http://:4318", "write http://HOST:4318"),
    "a receiver with a password": ("otlp-endpoint", "http://a:b@otel", "write http://HOST:4318"),
    "a receiver with a query": ("otlp-endpoint", "http://otel/?a=b", "write http://HOST:4318"),
    "a receiver at a port that is none": ("otlp-endpoint", "http://otel:99999", "write http://HOST:4318"),
    "an engine over ftp": ("docker", "ftp://a", "write unix:///var/run/docker.sock"),
    "a boolean in other words": ("expose-by-default", "on", "write true or false"),
    "a constraint without key": ("constraint", "=front", "write KEY or KEY=VALUE"),
    "a backend without scheme": ("backend", "a:80", "write http://HOST:PORT"),
    "a network with host bits": ("trusted-proxies", "10.1.2.3/8", "did you mean 10.0.0.0/8?"),
    "a network that is none": ("trusted-proxies", "everybody", "write an address and a prefix length"),
    "a duration without unit": ("drain", "30", "write 30ms, 30s"),
    "a timeout of 0": ("body-timeout", "0s", "out of range"),
    "a default without value": ("default", "timeout.response", "write KEY=VALUE"),
    "a default of an unknown key": ("default", "timeout.respnse=5s", "did you mean timeout.response?"),
    "a default of a key of one container": ("default", "port=80", "no service-level key"),
    "a default route": ("default", "host=a.example", "no service-level key"),
    "a default of a bad value": ("default", "timeout.response=5", "write 5ms, 5s"),
    "a default of a probe header": ("default", "health.headers.a b=c", "not a name"),
    "a short secret of sticky cookies": ("sticky-secret", "short", "16 to 32"),
    "an unknown policy": ("policy", "randm", "did you mean random?"),
    "an unknown access log": ("access-log", "jsn", "did you mean json?"),
    "an unknown log format": ("log-format", "xml", "one of auto, text, json"),
}


@pytest.mark.parametrize(("key", "text", "words"), INVALID.values(), ids=INVALID.keys())
def test_invalid_value_is_a_problem_and_makes_way(key: str, text: str, words: str) -> None:
    good, field, value = TEXTS[key]
    outcome = resolved(
        cli={key: [text] if SETTINGS[key].repeatable else text}, environment={SETTINGS[key].variable: good}
    )
    (problem,) = outcome.problems
    assert (problem.kind, problem.where) == (kinds.INVALID_SETTING, f"command line --{key}")
    assert problem.severity is Severity.ERROR
    assert words in str(problem)
    assert getattr(outcome.spec, field) == value


def test_token_is_never_repeated() -> None:
    outcome = resolved(cli={"admin-token": "my secret"}, environment={"SEAWALL_ADMIN_TOKEN": "other-secret"})
    assert "my secret" not in str(outcome.problems)
    assert "other-secret" not in repr(outcome.spec)


def test_bad_item_of_a_list_leaves_the_others() -> None:
    outcome = resolved(cli={"listen": [":81", "x", ":82"]})
    assert (outcome.spec.listen, len(outcome.problems)) == ((("", 81, False), ("", 82, False)), 1)


def test_address_given_twice_counts_once() -> None:
    assert resolved(cli={"listen": [":81", ":81"]}).spec.listen == (("", 81, False),)


def test_bad_value_is_a_problem_where_an_override_hides_it_too() -> None:
    outcome = resolved(cli={"drain": "1s"}, document={"drain": "soon"})
    assert (outcome.spec.drain, [problem.where for problem in outcome.problems]) == (1.0, ["file my.toml: drain"])


UNKNOWN: dict[str, tuple[dict[str, Any], str, str, Severity]] = {
    "an option": ({"cli": {"listn": ":1"}}, "command line --listn", "did you mean listen?", Severity.ERROR),
    "a variable": (
        {"environment": {"SEAWALL_LISTN": ":1"}},
        "environment SEAWALL_LISTN",
        "did you mean SEAWALL_LISTEN?",
        Severity.WARNING,
    ),
    "a label": (
        {"labels": {"seawall.proxy.drian": "1s"}},
        "label seawall.proxy.drian",
        "did you mean seawall.proxy.drain?",
        Severity.WARNING,
    ),
    "a key of the file": ({"document": {"drian": "1s"}}, "file my.toml: drian", "did you mean drain?", Severity.ERROR),
    "the option's name for a table": (
        {"document": {"default": ["a=b"]}},
        "file my.toml: default",
        "did you mean defaults?",
        Severity.ERROR,
    ),
}


@pytest.mark.parametrize(("given", "where", "hint", "severity"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_unknown_key_is_a_problem(given: dict[str, Any], where: str, hint: str, severity: Severity) -> None:
    outcome = resolved(**given)
    (problem,) = outcome.problems
    assert (problem.kind, problem.where, problem.hint, problem.severity) == (
        kinds.UNKNOWN_SETTING,
        where,
        hint,
        severity,
    )
    assert outcome.spec == ProxySpec()


def test_variables_of_others_are_no_business_of_ours() -> None:
    environment = {"PATH": "/bin", "SEAWALL_WIRE": "httptools", "SEAWALL_CONFIG": "/etc/seawall.toml"}
    assert resolved(environment=environment).problems == ()


def test_labels_that_are_no_settings_are_passed_by() -> None:
    assert resolved(labels={"seawall.enable": "true", "maintainer": "me"}).problems == ()


WRONG_TYPES: dict[str, tuple[dict[str, Any], str, str]] = {
    "a list for one value": ({"drain": ["1s"]}, "drain", "it takes one value, not a list"),
    "a table for one value": ({"drain": {"a": "b"}}, "drain", "of type dict"),
    "a table in a list": ({"listen": [{"a": "b"}]}, "listen", "of type dict"),
    "a list in a list": ({"listen": [[":80"]]}, "listen", "of type list"),
    "text for the defaults": ({"defaults": "policy=random"}, "defaults", "it is not a table"),
    "a table in a list of the defaults": (
        {"defaults": {"retry": {"statuses": [{}]}}},
        "defaults.retry.statuses",
        "of type dict",
    ),
}


@pytest.mark.parametrize(("document", "place", "what"), WRONG_TYPES.values(), ids=WRONG_TYPES.keys())
def test_wrong_type_in_the_file_is_a_problem(document: dict[str, Any], place: str, what: str) -> None:
    outcome = resolved(document=document)
    (problem,) = outcome.problems
    assert (problem.kind, problem.where) == (kinds.WRONG_TYPE, f"file my.toml: {place}")
    assert what in problem.what
    assert outcome.spec == ProxySpec()


def test_every_problem_of_every_place_is_told_at_once() -> None:
    outcome = resolved(
        cli={"listen": ["x"], "drain": "x"},
        environment={"SEAWALL_ADMIN": "x"},
        labels={"seawall.proxy.docker": "x"},
        document={"workers": "x", "nothing": 1, "defaults": {"nothing": 1, "policy": "x"}},
    )
    assert len(outcome.problems) == 8
    assert outcome.spec == ProxySpec()


@pytest.mark.parametrize(("text", "count"), [("auto", 0), ("4", 4)])
def test_workers_are_a_number_or_as_many_as_there_are_cores(text: str, count: int) -> None:
    outcome = resolved(cli={"workers": text})
    assert (outcome.spec.workers, outcome.problems) == (count, ())


# whatever is given

_texts = st.text(max_size=12)
_keys = st.sampled_from(sorted(SETTINGS)) | _texts
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_texts, inner, max_size=2),
    max_leaves=4,
)


@given(
    st.dictionaries(_keys, _values, max_size=3),
    st.dictionaries(_keys.map(lambda key: f"SEAWALL_{key.upper().replace('-', '_')}"), _texts, max_size=3),
    st.dictionaries(_keys.map("seawall.proxy.".__add__), _texts, max_size=3),
    st.dictionaries(_keys | st.just("defaults"), _values, max_size=3),
)
def test_anything_given_makes_a_complete_outcome(
    cli: dict[str, object], environment: dict[str, str], labels: dict[str, str], document: dict[str, object]
) -> None:
    outcome = resolved(cli, environment, labels, document)
    assert {problem.kind for problem in outcome.problems} <= kinds.ALL
    assert outcome.origins.keys() >= SETTINGS.keys()
