"""How many connections are let in, turned away and dropped."""

import resource

from proxy.dataplane.admission import Admission, Admissions

IN, AWAY, DROPPED = Admission.ADMITTED, Admission.TURNED_AWAY, Admission.DROPPED


def test_beyond_the_limit_an_eighth_more_is_told_so_and_the_rest_dropped() -> None:
    admissions = Admissions(16, None)
    assert [admissions.enter() for _ in range(20)] == [IN] * 16 + [AWAY] * 2 + [DROPPED] * 2


def test_connection_that_leaves_makes_room() -> None:
    admissions = Admissions(1, None)
    assert [admissions.enter(), admissions.enter()] == [IN, AWAY]
    admissions.leave(None)
    admissions.leave(b"192.0.2.1")
    assert (admissions.enter(), admissions.total) == (IN, 1)


def test_clients_are_counted_apart_and_forgotten_when_they_are_gone() -> None:
    admissions = Admissions(100, 1)
    assert [admissions.enter_as(client) for client in (b"a", b"b", b"a", b"a")] == [IN, IN, AWAY, DROPPED]
    for client in (b"a", b"a", b"a", b"b"):
        admissions.leave(client)
    assert not admissions._by_client
    assert admissions.enter_as(b"a") is IN


def test_connections_without_a_limit_are_as_many_as_there_are_descriptors_for() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert Admissions(None, None).most == (soft - 128) // 2
