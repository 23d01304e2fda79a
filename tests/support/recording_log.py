"""A log that tests can read."""

from typing import Any

import structlog
from structlog.testing import CapturingLogger
from structlog.typing import FilteringBoundLogger


class RecordingLog:
    """`log` is what the code under test gets; `lines` what it wrote: level, event, and what came with it."""

    def __init__(self) -> None:
        self._logger = CapturingLogger()
        self.log: FilteringBoundLogger = structlog.wrap_logger(
            self._logger, processors=[], wrapper_class=structlog.make_filtering_bound_logger(0)
        )

    @property
    def lines(self) -> list[tuple[str, str, dict[str, Any]]]:
        lines = []
        for call in self._logger.calls:
            values = dict(call.kwargs)
            lines.append((call.method_name, str(values.pop("event")), values))
        return lines

    def of(self, event: str) -> list[dict[str, Any]]:
        return [values for _, name, values in self.lines if name == event]
