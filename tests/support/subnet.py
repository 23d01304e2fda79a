"""A block of addresses for one private engine, claimed so that no two engines and no real network share it.

Law: an address of the block never leaves the machine. Tests stop containers and whole engines under load; without a
guard the packets for an address that is gone would follow the default route to somebody else's network.
"""

import ipaddress
import json
import random
import re
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Network

# The main table comes first but without its default route; whatever it does not know is unreachable. Rules, not routes:
# the engine refuses to give a network addresses that any route covers.
LOCAL_RULE_PRIORITY = 32000
GUARD_RULE_PRIORITY = 32001


class NoSubnetError(Exception):
    """No block of addresses could be claimed."""


def claim() -> IPv4Network:
    """Take a free /16 of 10.64.0.0/10. Adding the guard rule is the claim: the kernel refuses the second of two."""
    taken = list(_taken_networks())
    candidates = list(IPv4Network("10.64.0.0/10").subnets(new_prefix=16))
    random.shuffle(candidates)
    refusal = "every candidate overlaps a network of this machine"
    for candidate in candidates:
        if any(candidate.overlaps(other) for other in taken):
            continue
        claimed = _run("ip", "rule", "add", *_guard_rule(candidate))
        if claimed.returncode == 0:
            _run("ip", "rule", "add", *_local_rule(candidate))
            return candidate
        refusal = claimed.stderr.strip()
    raise NoSubnetError(f"cannot claim addresses for an engine: {refusal}")


def release(network: IPv4Network) -> None:
    """Give the block back: bridges that are left, forwarding rules, guard. Safe to repeat."""
    for bridge in _bridges_within(network):
        _run("ip", "link", "delete", bridge)
    for rule in _forward_rules(network):
        _run("iptables", "-w", "-D", "FORWARD", *rule)
    _run("ip", "rule", "del", *_local_rule(network))
    _run("ip", "rule", "del", *_guard_rule(network))


def add_bridge(network: IPv4Network, name: str) -> None:
    """Make the engine's default bridge: `docker0`, the name it would give it, can exist only once on a machine."""
    first = next(network.subnets(new_prefix=24))
    _check("ip", "link", "add", name, "type", "bridge")
    _check("ip", "address", "add", f"{first[1]}/24", "dev", name)
    _check("ip", "link", "set", name, "up")


def allow_bridged(network: IPv4Network) -> None:
    """Let containers of one network talk and keep networks apart, whatever another engine did to the FORWARD chain.

    The private engine runs with `iptables: false`, because a starting engine flushes the chains that all engines of a
    machine share. These two rules are what is then missing.
    """
    for rule in _forward_rules(network):
        _check("iptables", "-w", "-I", "FORWARD", *rule)


def _guard_rule(network: IPv4Network) -> list[str]:
    return ["to", str(network), "unreachable", "priority", str(GUARD_RULE_PRIORITY)]


def _local_rule(network: IPv4Network) -> list[str]:
    priority = str(LOCAL_RULE_PRIORITY)
    return ["to", str(network), "lookup", "main", "suppress_prefixlength", "0", "priority", priority]


def _forward_rules(network: IPv4Network) -> list[list[str]]:
    within = ["-s", str(network), "-d", str(network)]
    # In the order of insertion at the top: the last one here is tried first.
    return [[*within, "-j", "DROP"], [*within, "-m", "physdev", "--physdev-is-bridged", "-j", "ACCEPT"]]


def _bridges_within(network: IPv4Network) -> list[str]:
    links = json.loads(_check("ip", "-j", "-4", "address", "show", "type", "bridge") or "[]")
    return [
        link["ifname"]
        for link in links
        if any(ipaddress.ip_address(address["local"]) in network for address in link.get("addr_info", []))
    ]


def _taken_networks() -> Iterator[IPv4Network]:
    shown = _check("ip", "-4", "route", "show", "table", "all") + _check("ip", "-4", "rule", "show")
    for text in re.findall(r"\b\d+\.\d+\.\d+\.\d+(?:/\d+)?", shown):
        network = IPv4Network(text, strict=False)
        if network.prefixlen > 0:
            yield network


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _check(*command: str) -> str:
    done = _run(*command)
    if done.returncode:
        raise NoSubnetError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
