"""`seawall run` whose data plane is in the one process: what a worker of its own costs is told by the difference.

Run: `python -m benchmarks.rig.in_process run OPTION…`, the options as of `seawall run`.
"""

import proxy.commands.run as command
from proxy.app import App
from proxy.cli import main
from proxy.processes.takeover import Inheritance
from proxy.spec.config import Resolved


class InProcess(App):
    """An App that starts no workers, whatever it is told."""

    def __init__(
        self, resolved: Resolved, workers: int, reread: object = None, inheritance: Inheritance | None = None
    ) -> None:
        super().__init__(resolved, workers=0, inheritance=inheritance)


if __name__ == "__main__":
    command.App = InProcess  # type: ignore[attr-defined, assignment]  # where `run` looks for it
    main()
