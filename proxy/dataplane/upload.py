"""The body of a request on its way to a backend: what is held to be sent again, and whether it comes fast enough."""


class Upload:
    """Made only for a request with a body. `held` is what has come of it, framed; None once it was let go.

    Times are in monotonic seconds, `most` in bytes. Time in which the proxy itself did not read is the client's gift.
    """

    __slots__ = ("_paused_at", "_since", "held", "most", "size")

    def __init__(self, most: int, now: float) -> None:
        self.held: list[bytes] | None = []
        self.size = 0
        self.most = most
        self._since = now
        self._paused_at: float | None = None

    def hold(self, data: bytes) -> None:
        """Keep a piece, unless the others were let go."""
        if self.held is not None:
            self.held.append(data)
            self.size += len(data)

    def let_go(self) -> None:
        """Nothing of it can be sent again from now on."""
        self.held = None

    @property
    def is_too_large(self) -> bool:
        """Whether more is held than may be."""
        return self.held is not None and self.size > self.most

    # how fast

    def pause(self, now: float) -> None:
        """The proxy stops reading."""
        if self._paused_at is None:
            self._paused_at = now

    def resume(self, now: float) -> None:
        """It goes on."""
        if self._paused_at is not None:
            self._since += now - self._paused_at
            self._paused_at = None

    def due(self, received: int, idle: float, min_rate: int, now: float) -> float:
        """Until when the next piece may take: `idle` seconds, less when it comes slower than `min_rate` on average.

        `received` is what has come so far, in bytes. The average is forgiven `idle` seconds.
        """
        if not min_rate or self._paused_at is not None:
            return now + idle
        return min(now, self._since + received / min_rate) + idle
