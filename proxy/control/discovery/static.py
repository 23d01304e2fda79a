"""The source of the `--backend` ones: known from the start, and the same until the configuration is read again."""

from collections.abc import Callable, Iterable

from proxy.control.discovery.source import Publication, nobody_listens
from proxy.spec.container import Claim


class StaticSource:
    """Backends that the operator named."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self.name = "static"
        self.published = Publication(static=tuple(claims))
        self.on_change: Callable[[], None] = nobody_listens

    def replace(self, claims: Iterable[Claim]) -> None:
        """From now on it is these."""
        self.published = Publication(static=tuple(claims))
        self.on_change()

    async def run(self) -> None:
        """There is nothing to watch."""

    def __repr__(self) -> str:
        return f"<StaticSource {len(self.published.static)} backends>"
