"""Where the configuration is read from, and what is said when it cannot be."""

import os
from pathlib import Path

import pytest

from proxy.commands.configuration import Configuration, is_in_container, read
from proxy.problem import Severity


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "seawall.toml"
    path.write_text('listen = [":81"]\ndrain = "7s"\n')
    return path


def none(tmp_path: Path) -> Path:
    return tmp_path / "none.toml"


def test_nothing_given_is_the_defaults(tmp_path: Path) -> None:
    configuration = read({}, {}, none(tmp_path))
    assert configuration.resolve().spec.listen == (("", 8080, False),)
    assert configuration.problems == ()
    assert configuration.file == ""


def test_default_file_is_read_where_it_exists(file: Path) -> None:
    resolved = read({}, {}, file).resolve()
    assert resolved.spec.drain == 7.0
    assert resolved.origins["drain"] == f"file {file}: drain"


def test_option_goes_before_variable_before_default_file(tmp_path: Path, file: Path) -> None:
    by_variable = tmp_path / "variable.toml"
    by_variable.write_text('drain = "8s"')
    by_option = tmp_path / "option.toml"
    by_option.write_text('drain = "9s"')
    environment = {"SEAWALL_CONFIG": str(by_variable)}
    assert read({}, environment, file).resolve().spec.drain == 8.0
    assert read({"config": str(by_option)}, environment, file).resolve().spec.drain == 9.0


def test_empty_variable_is_not_given(file: Path) -> None:
    assert read({}, {"SEAWALL_CONFIG": ""}, file).file == str(file)


def test_option_environment_labels_and_file_in_this_order(file: Path) -> None:
    environment = {"SEAWALL_LISTEN": ":82", "SEAWALL_ADMIN": ":83"}
    labels = {"seawall.proxy.listen": ":84", "seawall.proxy.admin": ":85", "seawall.proxy.drain": "6s"}
    spec = read({"listen": [":86"]}, environment, file).resolve(labels).spec
    assert (spec.listen, spec.admin, spec.drain) == ((("", 86, False),), ("", 83), 6.0)


def problem_of(configuration: Configuration) -> tuple[str, str]:
    (problem,) = configuration.problems
    assert problem.severity is Severity.ERROR
    assert problem in configuration.resolve().problems
    return problem.where, f"{problem.what} ({problem.hint})"


def test_missing_file_that_was_asked_for_is_a_problem_that_says_by_whom(tmp_path: Path) -> None:
    path = str(none(tmp_path))
    where, what = problem_of(read({"config": path}, {}, none(tmp_path)))
    assert (where, "No such file" in what, path in what) == ("command line --config", True, True)
    where, _ = problem_of(read({}, {"SEAWALL_CONFIG": path}, none(tmp_path)))
    assert where == "environment SEAWALL_CONFIG"


BROKEN = {
    "not TOML": (b"listen = :80\n", "line 1"),
    "not UTF-8": (b'listen = "\xff"\n', "UTF-8"),
    "the same key twice": (b"drain = '1s'\ndrain = '2s'\n", "not TOML"),
    "nested without end": (b"a = " + b"[" * 100_000, "not TOML"),
}


@pytest.mark.parametrize(("content", "says"), BROKEN.values(), ids=BROKEN)
def test_broken_file_is_one_problem_beside_all_others(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "seawall.toml"
    path.write_bytes(content)
    configuration = read({"policy": "ring"}, {}, path)
    where, what = problem_of(configuration)
    assert where == f"file {path}"
    assert says in what
    assert len(configuration.resolve().problems) == 2


def test_folder_instead_of_a_file_hints_at_the_mount(tmp_path: Path) -> None:
    _, what = problem_of(read({}, {}, tmp_path))
    assert "is a folder" in what
    assert "mount" in what


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_file_that_may_not_be_read_is_a_problem(file: Path) -> None:
    file.chmod(0)
    _, what = problem_of(read({}, {}, file))
    assert "Permission denied" in what


def test_container_is_known_by_the_variable_or_by_the_engines_marks(tmp_path: Path) -> None:
    mark, no_mark = tmp_path / "mark", tmp_path / "none"
    mark.touch()
    assert is_in_container({}, (no_mark, mark))
    assert not is_in_container({}, (no_mark,))
    assert is_in_container({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, (no_mark,))
    assert is_in_container({"SEAWALL_IN_CONTAINER": "1"}, (no_mark,))
    assert not is_in_container({"SEAWALL_IN_CONTAINER": "false"}, (mark,))
    assert is_in_container({"SEAWALL_IN_CONTAINER": "perhaps"}, (mark,))


def test_admin_is_for_all_hosts_in_a_container_only(tmp_path: Path) -> None:
    inside = read({}, {"SEAWALL_IN_CONTAINER": "1"}, none(tmp_path)).resolve()
    outside = read({}, {"SEAWALL_IN_CONTAINER": "0"}, none(tmp_path)).resolve()
    assert (inside.spec.admin, outside.spec.admin) == (("", 9900), ("127.0.0.1", 9900))
    assert inside.problems == ()
