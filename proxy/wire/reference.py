"""The reference implementation: field syntax by llhttp, everything else in Python."""

from proxy.wire.request import parse_request
from proxy.wire.response import parse_response

__all__ = ["parse_request", "parse_response"]
