"""Counters of discovery, as plain ints: whoever scrapes reads them."""

from proxy.fleet.statistics import Histogram


class DiscoveryStatistics:
    """What discovery did so far. `event_lag` is from the engine's moment to ours, in seconds."""

    __slots__ = ("event_lag", "events", "inspects", "lists", "reconnects")

    def __init__(self) -> None:
        self.events = 0
        self.lists = 0
        self.inspects = 0
        self.reconnects = 0
        self.event_lag = Histogram()
