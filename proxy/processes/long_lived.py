"""What stays for long, kept out of the garbage collector's sight.

A full collection walks through every backend with its statistics: 50 to 80 ms with 10 000 of them, every two seconds
under load, in which no request goes on and nothing is found. Reference counts free a removed backend all the same; only
what holds itself by a cycle has to wait until everything is looked at again.
"""

import gc
from typing import Final

SOME: Final = 100  # changes after which all is looked at, in a small fleet; in a large one, a quarter of its backends


class LongLived:
    """Told of every change of the fleet, and how many backends it has since."""

    __slots__ = ("_backends", "_changes")

    def __init__(self) -> None:
        self._backends = 0
        self._changes = 0

    def settle(self) -> None:
        """Look at everything once more, and keep what is left."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._changes = 0

    def on_change(self, backends: int) -> None:
        """Keep what there is now; when much has gone meanwhile, settle."""
        self._changes += 1 + max(0, self._backends - backends)
        self._backends = backends
        if self._changes > max(SOME, backends // 4):
            self.settle()
        else:
            gc.freeze()

    def __repr__(self) -> str:
        return f"<LongLived frozen={gc.get_freeze_count()} changes={self._changes}>"
