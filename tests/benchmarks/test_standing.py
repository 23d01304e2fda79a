"""Where Seawall is behind is decided by the figures alone, and cannot be left out."""

import pytest

from benchmarks.rig.standing import Line, Verdict, behind, summary


def line(ours: float | None, *others: float, less: bool = False, question: str = "speed") -> Line:
    figures = {f"peer{number}": figure for number, figure in enumerate(others)}
    own = {} if ours is None else {"seawall": ours}
    return Line(question=question, unit="/s", figures=own | figures, is_less_better=less)


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        pytest.param(line(110, 100), Verdict.AHEAD, id="more is better and there is more"),
        pytest.param(line(90, 100), Verdict.BEHIND, id="more is better and there is less"),
        pytest.param(line(101, 100), Verdict.LEVEL, id="a little more, within what medians vary by"),
        pytest.param(line(99, 100), Verdict.LEVEL, id="a little less, within what medians vary by"),
        pytest.param(line(97.9, 100), Verdict.BEHIND, id="just outside of it"),
        pytest.param(line(90, 100, less=True), Verdict.AHEAD, id="less is better and there is less"),
        pytest.param(line(110, 100, less=True), Verdict.BEHIND, id="less is better and there is more"),
        pytest.param(line(100, 50, 200), Verdict.BEHIND, id="ahead of one, behind another"),
        pytest.param(line(100, 50, 200, less=True), Verdict.BEHIND, id="less than one, more than another"),
        pytest.param(line(100), Verdict.ALONE, id="nobody else was measured"),
        pytest.param(line(None, 100), Verdict.UNKNOWN, id="seawall was not measured"),
        pytest.param(line(100, 0, less=False), Verdict.ALONE, id="the other's figure is nothing"),
    ],
)
def test_verdict(one: Line, verdict: Verdict) -> None:
    assert one.verdict is verdict


def test_ratio_above_one_is_better_whatever_is_counted() -> None:
    assert line(200, 100).ratio == 2.0
    assert line(100, 200, less=True).ratio == 2.0


def test_best_other_is_the_best_and_not_the_first() -> None:
    assert line(1, 50, 200).best == "peer1"
    assert line(1, 50, 200, less=True).best == "peer0"


def test_behind_lists_each_line_that_is() -> None:
    lines = [line(200, 100, question="a"), line(50, 100, question="b"), line(5, 1, less=True, question="c")]

    assert [each.question for each in behind(lines)] == ["b", "c"]


def test_summary_names_what_is_behind_in_the_table_and_below_it() -> None:
    text = summary([line(200, 100, question="a"), line(50, 100, question="b")])

    assert "- b: 0.50 times as good, 50% behind peer0" in text
    assert text.count("**behind**") == 3  # its line, the count, and the list's head
    assert "Of 2 lines: 1 **ahead**, 1 **behind**." in text


def test_summary_says_so_when_nothing_is_behind() -> None:
    assert "Seawall is behind in no line." in summary([line(200, 100)])


def test_question_that_was_not_measured_has_a_line_that_says_so() -> None:
    assert "not measured yet" in summary([line(None, question="memory")])
