"""Sites of any size say the same to every proxy."""

import json
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path

from benchmarks.growth import NAMES, site, write_script
from benchmarks.rig import sites
from benchmarks.rig.peers import fill

VALUES = {"PORT": 1, "ADMIN_PORT": 2, "FILES": 3, "FOLDER": "/f", "USER": "u", "CONFIGURATION": "/f/c"}


def test_ten_thousand_addresses_are_different_ones_of_loopback() -> None:
    places = sites.addresses(10_000, 80)

    assert len(set(places)) == 10_000
    assert all(ip_address(host) in ip_network("127.0.0.0/8") for host, _ in places)


def test_every_proxy_has_every_backend() -> None:
    places = sites.addresses(600, 8080)

    for peer in NAMES:
        text, command = site(peer, places, [])
        filled = fill(text, VALUES)
        assert all(f"{host}:{port}" in filled for host, port in places), peer
        assert all(fill(word, VALUES) for word in command)


def test_seawall_has_them_as_toml() -> None:
    settings = tomllib.loads(sites.seawall(sites.addresses(2, 80)))

    assert settings["backend"] == ["http://127.1.0.1:80", "http://127.1.0.2:80"]


def test_every_proxy_knows_every_host() -> None:
    names = sites.hosts(600)
    served = [host for each in sites.containers(names, 80, 3) for host in labels(each)["seawall.host"].split(",")]

    assert sorted(set(served)) == sorted(names)
    assert served.count("h0.example.com") == 3  # one a backend
    assert all(
        f"            {name}" in sites.nginx([], names) or f" {name}" in sites.nginx([], names) for name in names
    )
    assert sites.haproxy_map(names).split()[::2] == names


def test_no_label_has_more_hosts_than_it_takes_and_no_address_two_containers() -> None:
    containers = sites.containers(sites.hosts(10_000), 80, 3)
    places = [json.dumps(each["NetworkSettings"]) for each in containers]

    assert max(len(labels(each)["seawall.host"].split(",")) for each in containers) <= 256
    assert len(set(places)) == len(places) == 120


def test_only_a_site_with_hosts_refuses_others() -> None:
    assert "return 404" in sites.nginx([], ["a"])
    assert "return 404" not in sites.nginx([], [])
    assert "default_backend app" in sites.haproxy([], [])
    assert "default_backend app" not in sites.haproxy([], ["a"])


def test_script_asks_for_hosts_from_the_whole_range(tmp_path: Path) -> None:
    text = write_script(sites.hosts(10_000), tmp_path).read_text()

    assert text.count(".example.com") == 1000
    assert '"h9990.example.com"' in text


def labels(container: dict[str, object]) -> dict[str, str]:
    config = container["Config"]
    assert isinstance(config, dict)
    found: dict[str, str] = config["Labels"]
    return found
