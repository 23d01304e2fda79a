"""Overviews of the admin API, as literal documents."""

from typing import Any

BOUNDS = [0.001, 0.01, 0.1]


def backend(name: str = "web-1", **changes: Any) -> dict[str, Any]:
    whole = {
        "name": name,
        "service": "web",
        "container": f"id-{name}",
        "address": "http://10.0.0.1:80",
        "state": "available",
        "reason": None,
        "since": 61.5,
        "in_flight": 2,
        "weight": 1,
        "backup": False,
        "requests": {"2xx": 100},
        "failures": {},
        "circuit": {"state": "closed", "opened": {}},
        "probe": {"verdict": "passing", "error": None, "passed": 9, "failed": 0},
        "first_byte": [0, 100, 0, 0],
    }
    return {**whole, **changes}


def service(*backends: dict[str, Any], name: str = "web", **changes: Any) -> dict[str, Any]:
    whole = {
        "name": name,
        "policy": "least-connections",
        "available": sum(each["reason"] is None for each in backends),
        "backends": list(backends),
        "requests": {"200": 100},
        "retries": {},
        "request_bytes": 0,
        "response_bytes": 0,
        "duration": [0, 100, 0, 0],
    }
    return {**whole, **changes}


def overview(*services: dict[str, Any], at: float = 10.0, **changes: Any) -> dict[str, Any]:
    whole = {
        "version": "1.2.3",
        "at": at,
        "missing": [],
        "connected": True,
        "fleet_version": 1,
        "containers": {"routed": 2, "ignored": 1},
        "problems": 0,
        "unrouted": 0,
        "bounds": BOUNDS,
        "services": list(services),
    }
    return {**whole, **changes}
