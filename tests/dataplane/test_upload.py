"""What is held of a request's body, and how long the next piece of it may take."""

from proxy.dataplane.upload import Upload


def test_pieces_are_held_until_there_are_too_many() -> None:
    upload = Upload(most=4, now=0.0)
    upload.hold(b"ab")
    upload.hold(b"cd")
    assert (upload.held, upload.is_too_large) == ([b"ab", b"cd"], False)
    upload.hold(b"e")
    assert upload.is_too_large


def test_body_that_was_let_go_holds_nothing_more() -> None:
    upload = Upload(most=4, now=0.0)
    upload.hold(b"ab")
    upload.let_go()
    upload.hold(b"cdefgh")
    assert (upload.held, upload.is_too_large) == (None, False)


def test_fast_client_may_pause_for_the_whole_idle_time() -> None:
    assert Upload(0, now=100.0).due(received=10_000, idle=60.0, min_rate=500, now=110.0) == 170.0


def test_slow_client_is_due_earlier_the_slower_it_is() -> None:
    upload = Upload(0, now=100.0)
    assert upload.due(received=1000, idle=60.0, min_rate=500, now=150.0) == 162.0
    assert upload.due(received=1, idle=60.0, min_rate=500, now=150.0) == 160.002


def test_without_a_floor_every_byte_starts_the_time_anew() -> None:
    assert Upload(0, now=100.0).due(received=1, idle=60.0, min_rate=0, now=1000.0) == 1060.0


def test_time_in_which_the_proxy_does_not_read_does_not_count() -> None:
    upload = Upload(0, now=100.0)
    upload.pause(110.0)
    upload.pause(120.0)
    assert upload.due(received=0, idle=60.0, min_rate=500, now=500.0) == 560.0
    upload.resume(510.0)
    upload.resume(520.0)
    assert upload.due(received=0, idle=60.0, min_rate=500, now=520.0) == 560.0
