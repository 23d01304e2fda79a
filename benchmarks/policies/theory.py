"""What queueing theory says of the same fleets, where it says something exactly. Times are in service times.

Sources: [K] Kleinrock, Queueing Systems, volume 1, Wiley 1975, by section. [C] Crommelin, Delay probability formulae
when the holding times are constant, Post Office Electrical Engineers' Journal 25, 1932. [Ku] Kuczura, The interrupted
Poisson process as an overflow process, Bell System Technical Journal 52, 1973. [W] Winston, Optimality of the shortest
line discipline, Journal of Applied Probability 14, 1977.

Seawall's least-connections looks at all backends, not at a sample of two, so the known results on the power of two
choices are of another policy.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

Tail = Callable[[float], float]  # t -> P(T > t)
Transform = Callable[[float], float]  # s -> E[exp(-sA)]
_ROUNDS: Final = 200  # of a bisection: more than a float has digits
_CLOSE: Final = 1e-14


@dataclass(frozen=True, slots=True)
class Sojourn:
    """The time from arrival to departure: its mean, and the chance that it is longer than t."""

    mean: float
    tail: Tail

    def quantile(self, share: float) -> float:
        """The time that this share of the requests does not exceed."""
        low, high = 0.0, self.mean
        while self.tail(high) > 1 - share:
            high *= 2
        for _ in range(_ROUNDS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.tail(middle) > 1 - share else (low, middle)
        return high


def mm1(rate: float, service_rate: float) -> Sojourn:
    """M/M/1: T is exponential with rate µ-λ, so its q-quantile is -ln(1-q)/(µ-λ) [K, 3.2].

    A Poisson process of rate λ split at random into shares p is as many independent Poisson processes of rates pλ:
    under `random`, n backends are n such queues.
    """
    return _exponential(service_rate - rate)


def gim1(arrivals: Transform, service_rate: float) -> Sojourn:
    """GI/M/1: T is exponential with rate µ(1-r), r the root in (0, 1) of r = A*(µ(1-r)) [K, 6.4].

    Round-robin gives each of n equal backends every n-th arrival; the times between those are sums of n. A* is the
    Laplace-Stieltjes transform of their distribution; iterating from 0 rises to the least root, which is r.
    """
    root, before = 0.0, -1.0
    while root - before > _CLOSE:
        root, before = arrivals(service_rate * (1 - root)), root
    return _exponential(service_rate * (1 - root))


def erlang(rate: float, order: int) -> Transform:
    """Of the sum of `order` exponential times: every `order`-th arrival of a Poisson process [K, 4.2]."""
    return lambda s: (rate / (rate + s)) ** order


def interrupted_poisson(rate: float, on: float, off: float, order: int = 1) -> Transform:
    """Of every `order`-th arrival of a Poisson process with `rate` that is on and off for exponential times [Ku].

    From an arrival, with ω = 1/on, θ = 1/off: either the next one comes first, or the end of the burst, and then it
    takes an off time and starts again: A* = λ(θ+s) / ((λ+ω+s)(θ+s) - ωθ). A random share p of it is one of rate pλ.
    """
    ends, begins = 1 / on, 1 / off

    def transform(s: float) -> float:
        return (rate * (begins + s) / ((rate + ends + s) * (begins + s) - ends * begins)) ** order

    return transform


def erlang_c(offered: float, servers: int) -> float:
    """The chance that an arrival has to wait in M/M/c, `offered` = λ/µ < c [K, 3.5]."""
    term, total = 1.0, 1.0
    for number in range(1, servers):
        term *= offered / number
        total += term
    last = term * offered / servers / (1 - offered / servers)
    return last / (total + last)


def mmc(rate: float, service_rate: float, servers: int) -> Sojourn:
    """M/M/c: with chance C (Erlang) an exponential wait of rate cµ-λ, then the service [K, 3.5].

    One queue for all servers wastes no server while anybody waits. No policy that chooses on arrival and lets nobody
    change the queue can have a smaller mean: it bounds least-connections from below. Joining the shortest queue is the
    best such policy for equal exponential servers [W], so that round-robin and random bound it from above.
    """
    waits = erlang_c(rate / service_rate, servers)
    drain = servers * service_rate - rate

    def tail(t: float) -> float:
        if math.isclose(drain, service_rate):
            waited = (1 + drain * t) * math.exp(-drain * t)
        else:
            waited = (drain * math.exp(-service_rate * t) - service_rate * math.exp(-drain * t)) / (
                drain - service_rate
            )
        return (1 - waits) * math.exp(-service_rate * t) + waits * waited

    return Sojourn(1 / service_rate + waits / drain, tail)


def mix(parts: Sequence[tuple[float, Sojourn]]) -> Sojourn:
    """Of all requests, when these shares of them go to these queues."""
    return Sojourn(
        sum(share * part.mean for share, part in parts),
        lambda t: sum(share * part.tail(t) for share, part in parts),
    )


def mg1_mean(rate: float, second_moment: float) -> float:
    """M/G/1 with a mean service of 1: the formula of Pollaczek and Khinchine [K, 5.6]."""
    return 1 + rate * second_moment / (2 * (1 - rate))


def mdc_mean(rate: float, servers: int) -> float:
    """M/D/c with a service of 1, first come first served [C]; the sum of Crommelin.

    With equal work for all, servers become free in the order in which they were taken: round-robin, least-connections
    and one queue for all give every request the same server at the same time.
    """
    wait, step = 0.0, 1
    while True:
        offered = step * rate
        first = step * servers
        term = _poisson_from(offered, first) - servers / rate * _poisson_from(offered, first + 1)
        wait += term
        if term < _CLOSE:
            return 1 + wait
        step += 1


def _exponential(rate: float) -> Sojourn:
    if rate <= 0:
        raise ValueError("more comes in than is served: the queue has no limit")
    return Sojourn(1 / rate, lambda t: math.exp(-rate * t))


def _poisson_from(mean: float, least: int) -> float:
    """P(N >= least) for a Poisson N: upwards from `least`, where `least` is at least the mean and terms only shrink."""
    term = math.exp(least * math.log(mean) - mean - math.lgamma(least + 1))
    total, number = 0.0, least
    while term > total * 1e-17:
        total += term
        number += 1
        term *= mean / number
    return total
