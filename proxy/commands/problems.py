"""Problems as a person reads them: one line for where and what, one for the hint."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import typer

from proxy.errors import ConfigurationError, SeawallError
from proxy.problem import Problem, Severity


def in_words(problems: Iterable[Problem]) -> Iterator[str]:
    """The lines to print, errors first."""
    for problem in sorted(problems, key=lambda problem: problem.severity is not Severity.ERROR):
        label = f"{problem.severity.value}: "
        yield f"{label}{problem.where}: {problem.what}"
        if problem.hint:
            yield f"{' ' * len(label)}{problem.hint}"


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether one of them is more than a warning."""
    return any(problem.severity is Severity.ERROR for problem in problems)


@contextmanager
def reported() -> Iterator[None]:
    """What ends a command goes to stderr, all of it, and becomes its exit code."""
    try:
        yield
    except ConfigurationError as error:
        print(*in_words(error.problems), sep="\n", file=sys.stderr)
        raise typer.Exit(error.exit_code) from error
    except SeawallError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from error
