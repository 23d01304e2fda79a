"""The interface of `wire/`: what the data plane calls, whichever implementation answers.

`parse_request` and `parse_response` read one whole head in one call and return it with the head to forward, or the
Failure that refuses it. The reference implementation checks field syntax by httptools (llhttp).
"""

from proxy.wire.request import parse_request
from proxy.wire.response import parse_response

__all__ = ["IMPLEMENTATION", "parse_request", "parse_response"]

IMPLEMENTATION = "reference"
