"""The interface of `wire/`: what the data plane calls, whichever implementation answers.

`parse_request` and `parse_response` read the head that bytes begin with in one call, and return it with the head to
forward, or the Failure that refuses it; a head that is not complete is refused, too. The compiled implementation is
used when it could be built, else the reference.
`SEAWALL_WIRE=reference` forces the reference, `SEAWALL_WIRE=compiled` fails when the other is not there.
"""

import importlib
import os
from collections.abc import Callable
from types import ModuleType
from typing import Final, TypeAlias

from proxy.failure import Failure
from proxy.wire import reference
from proxy.wire.head import RequestHead, ResponseHead
from proxy.wire.peer import Peer

VARIABLE: Final = "SEAWALL_WIRE"

ParseRequest: TypeAlias = Callable[[bytes, Peer, int], RequestHead | Failure]
ParseResponse: TypeAlias = Callable[[bytes, RequestHead, bool, bytes], ResponseHead | Failure]


def choose(wanted: str) -> tuple[str, ModuleType]:
    """(name, module) of the implementation for this value of SEAWALL_WIRE. ImportError when it cannot be had."""
    if wanted not in ("", "compiled", "reference"):
        raise ImportError(f"{VARIABLE}={wanted}: it is compiled or reference")
    if wanted != "reference":
        try:
            return "compiled", importlib.import_module("proxy.wire.compiled")
        except ImportError as error:
            if wanted == "compiled":
                hint = "install again with a C compiler, or unset it"
                raise ImportError(f"{VARIABLE}=compiled, but the compiled codec was not built: {hint}") from error
    return "reference", reference


IMPLEMENTATION, _module = choose(os.environ.get(VARIABLE, ""))
parse_request: ParseRequest = _module.parse_request
parse_response: ParseResponse = _module.parse_response
