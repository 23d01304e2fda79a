"""What the documents name is there: links, labels, settings, commands, endpoints, metrics, and every failure once.

Each check returns what is wrong with a text; it is itself shown planted mistakes.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer
import yaml

from proxy.admin import openapi
from proxy.cli import app
from proxy.failure import Failure
from proxy.spec.label_set import NAMED, OF_THE_CONTAINER, PREFIX
from proxy.spec.service_keys import PROBE_HEADER
from proxy.spec.settings import LABEL_PREFIX, OTHER_VARIABLES, SETTINGS
from tests.admin import expressions

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
INDEX: Final = ROOT / "docs" / "index.md"
TROUBLESHOOTING: Final = ROOT / "docs" / "troubleshooting.md"

_FENCED: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INLINE: Final = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FILE: Final = re.compile(r"\b(?:config|proxy|tests|docs|benchmarks)/[\w./-]*\w")
_LABEL: Final = re.compile(r"(?<![\w/.-])seawall\.([\w.-]*\w)")
_COMMAND: Final = re.compile(r"(?<![\w.-])(?<!exec )seawall ([a-z][\w-]*)([^|;&#\n]*)")
_OPTION: Final = re.compile(r"(?<!\S)--[a-z][\w-]*")
_VARIABLE: Final = re.compile(r"\bSEAWALL_[A-Z_]*[A-Z]\b")
_ENDPOINT: Final = re.compile(r"/api/v1/[\w/.-]*\w")
_ROW: Final = re.compile(r"^\| (`.+?`) \| (.*) \|$", re.MULTILINE)
_NAMED_FAILURE: Final = re.compile(r"\bFailure\.([A-Z_]+)")


# what a text is made of


def fenced(text: str) -> list[tuple[str, str]]:
    """The code blocks: language and code."""
    return _FENCED.findall(text)


def inline(text: str) -> list[str]:
    """The code spans."""
    return [code for _, code in _INLINE.findall(_FENCED.sub("", text))]


def code(text: str) -> str:
    """All code, piece by piece."""
    return "\n".join([*(block for _, block in fenced(text)), *inline(text)])


def anchors(text: str) -> set[str]:
    """What `#` can lead to, as GitHub makes it of headings."""
    headings = _HEADING.findall(_FENCED.sub("", text))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(text: str, title: str) -> str:
    """What stands below a heading of the second level."""
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def failures(text: str) -> Iterator[tuple[str, str]]:
    """Every label in the first column of the tables, with the second column of its row."""
    for labels, rest in _ROW.findall(text):
        for label in inline(labels):
            yield label, rest.partition(" | ")[0]


# what there is


def options() -> dict[str, set[str]]:
    """The options of each command."""
    group: Any = typer.main.get_command(app)
    return {
        name: {"--help", *(option for each in command.params for option in (*each.opts, *each.secondary_opts))}
        for name, command in group.commands.items()
    }


def attributes() -> set[str]:
    """The attributes of spans that look like labels."""
    return set(re.findall(r'"seawall\.(\w+)"', (ROOT / "proxy" / "telemetry" / "otlp.py").read_text()))


def variables() -> set[str]:
    """The variables that Seawall reads, and those that the compose files do."""
    composed = [_VARIABLE.findall(path.read_text()) for path in (ROOT / "config").glob("*.yaml")]
    return {setting.variable for setting in SETTINGS.values()}.union(OTHER_VARIABLES, *composed)


def metrics() -> set[str]:
    """The names of samples, and of the families that they belong to."""
    return expressions.exported() | {name.removesuffix("_bucket") for name in expressions.exported()}


def named_failures() -> set[str]:
    """The labels of the failures that the data plane and the codec come to."""
    sources = [path.read_text() for folder in ("dataplane", "wire") for path in (ROOT / "proxy" / folder).glob("*.py")]
    replies = (ROOT / "proxy" / "wire" / "replies.py").read_text()  # has texts for failures, and causes none
    sources.remove(replies)
    return {Failure[name].label for source in sources for name in _NAMED_FAILURE.findall(source)}


OPTIONS: Final = options()
ALL_OPTIONS: Final = {"--version"}.union(*OPTIONS.values())
ATTRIBUTES: Final = attributes()
VARIABLES: Final = variables()
METRICS: Final = metrics()
ENDPOINTS: Final = set(openapi.DOCUMENT["paths"])


def is_label(key: str) -> bool:
    """Whether `seawall.` and this is a label or begins a group of them; the proxy's file is called like one."""
    if key.startswith(NAMED):
        key = key.removeprefix(NAMED).partition(".")[2]
        return key == "KEY" or is_label(key)
    own = LABEL_PREFIX.removeprefix(PREFIX)
    if key.startswith(own):
        return key.removeprefix(own) in SETTINGS
    known = key in OF_THE_CONTAINER or key in ATTRIBUTES or key.startswith(PROBE_HEADER)
    return known or key == "toml" or any(each.startswith(f"{key}.") for each in OF_THE_CONTAINER)


# what is wrong with a text


def wrong_links(text: str, page: Path = ROOT / "docs" / "page.md") -> list[str]:
    """Links of a page that lead nowhere."""
    prose = _INLINE.sub("", _FENCED.sub("", text))
    targets = [target for target in _LINK.findall(prose) if not re.match(r"\w+:", target)]
    return [target for target in targets if not leads_somewhere(target, text, page)]


def leads_somewhere(target: str, text: str, page: Path) -> bool:
    """Whether there is the file, and in it the heading; without a file the heading is one of this page."""
    name, _, anchor = target.partition("#")
    linked = page.parent / name
    if name and not linked.exists():
        return False
    return not anchor or anchor in anchors(linked.read_text() if name else text)


def wrong_files(text: str) -> list[str]:
    """Files of the repository named in code that are not there."""
    return [name for name in _FILE.findall(code(text)) if not (ROOT / name).exists()]


def wrong_labels(text: str) -> list[str]:
    """Labels that mean nothing."""
    return [key for key in _LABEL.findall(code(text)) if not is_label(key)]


def wrong_commands(text: str) -> list[str]:
    """Commands that are none, and options that their command does not take."""
    wrong = []
    for name, rest in _COMMAND.findall(code(text)):
        unknown = [option for option in _OPTION.findall(rest) if option not in OPTIONS.get(name, ALL_OPTIONS)]
        wrong += [f"{name} {option}" for option in unknown] if name in OPTIONS else [name]
    return wrong


def wrong_options(text: str) -> list[str]:
    """Options named by themselves that no command takes."""
    named = [option for piece in inline(text) if (option := _OPTION.match(piece))]
    return [option[0] for option in named if option[0] not in ALL_OPTIONS]


def wrong_variables(text: str) -> list[str]:
    """Variables that nobody reads."""
    return [name for name in _VARIABLE.findall(text) if name not in VARIABLES]


def wrong_endpoints(text: str) -> list[str]:
    """Paths that the API does not have."""
    asked = [re.sub(r"(/backends/)[^/]+", r"\1{name}", path) for path in _ENDPOINT.findall(text)]
    return [path for path in asked if path not in ENDPOINTS]


def wrong_metrics(text: str) -> list[str]:
    """Metrics that are not exported."""
    return sorted(expressions.names_in(text) - METRICS)


def wrong_yaml(text: str) -> list[str]:
    """Blocks that are said to be YAML and say nothing."""
    return [block for language, block in fenced(text) if language == "yaml" and not yaml.safe_load(block)]


CHECKS: Final[tuple[Callable[[str], list[str]], ...]] = (
    wrong_files,
    wrong_labels,
    wrong_commands,
    wrong_options,
    wrong_variables,
    wrong_endpoints,
    wrong_metrics,
    wrong_yaml,
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_link_leads_somewhere(page: Path) -> None:
    assert wrong_links(page.read_text(), page) == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_is_there(page: Path, check: Callable[[str], list[str]]) -> None:
    assert check(page.read_text()) == []


@pytest.mark.parametrize("page", [page for page in PAGES[1:] if page != INDEX], ids=lambda page: page.stem)
def test_page_can_be_found_from_the_index(page: Path) -> None:
    assert f"({page.name})" in INDEX.read_text()


# every failure, once


ANSWERS: Final = list(failures(section(TROUBLESHOOTING.read_text(), "Answers")))
SILENT: Final = list(failures(section(TROUBLESHOOTING.read_text(), "Without an answer")))


def test_every_failure_that_a_request_can_come_to_is_explained_once() -> None:
    explained = [label for label, _ in (*ANSWERS, *SILENT)]
    assert sorted(explained) == sorted(named_failures())


@pytest.mark.parametrize(("label", "status"), ANSWERS, ids=[label for label, _ in ANSWERS])
def test_answer_has_the_status_of_its_failure(label: str, status: str) -> None:
    (failure,) = [each for each in Failure if each.label == label]
    assert status == str(failure.status)


def test_every_field_of_the_access_log_is_explained() -> None:
    written = re.findall(r'"(\w+)": ', (ROOT / "proxy" / "dataplane" / "access_log.py").read_text())
    table = section((ROOT / "docs" / "operating.md").read_text(), "Watching")
    assert set(written) <= set(inline(table))
    assert "request_id" in written


PLANTED = {
    "a link to no page": (wrong_links, "[a](nothing.md)", ["nothing.md"]),
    "a link to no heading of this page": (wrong_links, "# Here\n[a](#there) [b](#here)", ["#there"]),
    "a link to no heading of another": (wrong_links, "[a](health.md#no-such)", ["health.md#no-such"]),
    "a link whose text is on two lines": (wrong_links, "[a\nb](nothing.md)", ["nothing.md"]),
    "a file that is gone": (wrong_files, "`-f config/gone.yaml`", ["config/gone.yaml"]),
    "an unknown label": (wrong_labels, "`seawall.prot: 80`", ["prot"]),
    "an unknown label in a block": (wrong_labels, "```yaml\nseawall.health.pth: /\n```", ["health.pth"]),
    "an unknown label of a named service": (wrong_labels, "`seawall.services.web.prot`", ["services.web.prot"]),
    "an unknown setting as a label": (wrong_labels, "`seawall.proxy.lissten`", ["proxy.lissten"]),
    "an unknown command": (wrong_commands, "```sh\nseawall chek\n```", ["chek"]),
    "an unknown command in a container": (wrong_commands, "`docker compose exec seawall seawall chek`", ["chek"]),
    "an option of another command": (wrong_commands, "`seawall status --listen :80`", ["status --listen"]),
    "an unknown option": (wrong_options, "`--lissten`", ["--lissten"]),
    "an unknown variable": (wrong_variables, "`SEAWALL_LISSTEN=:80`", ["SEAWALL_LISSTEN"]),
    "an unknown endpoint": (wrong_endpoints, "/api/v1/backends/NAME/drayn", ["/api/v1/backends/{name}/drayn"]),
    "an unknown metric": (wrong_metrics, "`seawall_request_total`", ["seawall_request_total"]),
    "a block without YAML": (wrong_yaml, "```yaml\n# nothing\n```", ["# nothing\n"]),
}


@pytest.mark.parametrize(("check", "text", "wrong"), PLANTED.values(), ids=PLANTED)
def test_planted_mistake_is_found(check: Callable[[str], list[str]], text: str, wrong: list[str]) -> None:
    assert check(text) == wrong


def test_rows_of_a_table_are_read_label_by_label() -> None:
    table = "| failure | status |\n|---|---|\n| `reset`, `closed` | 502 | why | what |\n| `tls` | 502 |\n"
    assert list(failures(table)) == [("reset", "502"), ("closed", "502"), ("tls", "502")]
