"""The backends of the command line and the file."""

from proxy.control.discovery.static import StaticSource
from proxy.spec.container import Claim
from proxy.spec.static import parse_static


def claims(*texts: str) -> list[Claim]:
    return [parse_static(text) for text in texts]


def test_others_after_the_configuration_was_read_again_and_whoever_listens_is_told() -> None:
    source = StaticSource(claims("http://127.0.0.1:1"))
    published = []
    source.on_change = lambda: published.append(source.published.static)
    source.replace(claims("http://127.0.0.1:2", "http://127.0.0.1:3"))
    (static,) = published
    assert [claim.backend.key.port for claim in static] == [2, 3]
