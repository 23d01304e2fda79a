"""A mistake somebody made in a label, a file or an option: where, what, and what to do about it."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How far a problem reaches."""

    WARNING = "warning"  # something was left at its default or left out; traffic flows
    ERROR = "error"  # this container, route or setting is not used


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake.

    `kind` is a short slug from a closed set, used as a metric label; `where` names the container and label, the file
    and key or the option; `what` says what is wrong with it; `hint` says what to do.
    """

    kind: str
    where: str
    what: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        tail = f" ({self.hint})" if self.hint else ""
        return f"{self.where}: {self.what}{tail}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the closest known word, or the empty string when none is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else ""
