"""Exceptions of start-up and of slow loops. The request path raises none of them: it passes a `Failure`."""

from collections.abc import Sequence

from proxy.problem import Problem


class SeawallError(Exception):
    """Anything that ends a command; `exit_code` is what the process returns."""

    exit_code = 1


class ConfigurationError(SeawallError):
    """The configuration does not hold; carries every problem found, not the first."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class BindError(SeawallError):
    """An address or the takeover path cannot be listened at: taken, not ours, or not allowed."""

    exit_code = 3


class EngineError(SeawallError):
    """The container engine did not answer, or answered something that cannot be used."""
