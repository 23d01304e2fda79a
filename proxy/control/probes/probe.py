"""One probe: a fresh connection, one question, an Outcome."""

import asyncio
import errno
import functools
import socket
import ssl
import time
from typing import Final

from proxy.control.probes.conversation import Conversation
from proxy.control.probes.http import HttpAnswer
from proxy.control.probes.question import Question
from proxy.control.probes.tcp import TcpConnect
from proxy.health.verdict import Outcome

# Nobody can be reached there, so no request can: as good as a refusal.
_HARD: Final = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "network unreachable",
}
_STANDSTILL: Final = 1.0  # seconds; a timeout that is later says that this process stood still, and nothing of others
# This process is short of something, which says nothing about the backend.
_OUR_OWN: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM))


async def probe(question: Question, within: float) -> Outcome | None:
    """Ask and wait `within` seconds. None when this process could not ask: out of descriptors or ports, or stopped."""
    loop = asyncio.get_running_loop()
    request = question.request
    conversation = TcpConnect(loop) if request is None else HttpAnswer(question, request, loop)
    begun = time.monotonic()
    failure: OSError | None = None
    try:
        async with asyncio.timeout(within):
            await loop.create_connection(
                lambda: conversation, question.host, question.port, ssl=_client_tls() if question.tls else None
            )
            await conversation.ended
    except OSError as error:  # TimeoutError, SSLError and gaierror among them
        failure = error
        if error.errno in _OUR_OWN and not isinstance(error, socket.gaierror):
            return None
    finally:
        conversation.abort()
    is_late = time.monotonic() - begun > within + _STANDSTILL
    if is_late and isinstance(failure, TimeoutError) and conversation.objection is None:
        return None
    return _outcome(conversation, failure, within, begun)


def _outcome(conversation: Conversation, failure: OSError | None, within: float, begun: float) -> Outcome:
    if conversation.objection is not None:  # a failure after it, such as a body without end, changes nothing
        error, hard, seconds = conversation.objection, False, conversation.settled_at - begun
    else:
        error, hard = _in_words(failure, conversation, within)
        seconds = time.monotonic() - begun
    return Outcome(passed=not error, hard=hard, error=error, seconds=seconds)


def _in_words(failure: OSError | None, conversation: Conversation, within: float) -> tuple[str, bool]:
    """What went wrong, and whether it is as hard as a refusal."""
    if isinstance(failure, TimeoutError):
        what = "no connection" if conversation.transport is None else "no answer"
        return f"{what} within {within:g}s", False
    if isinstance(failure, ssl.SSLError):
        return f"TLS handshake failed: {failure.reason or failure}", False
    if isinstance(failure, socket.gaierror):
        return "the host name does not resolve", False
    if failure is not None and failure.errno in _HARD:
        return _HARD[failure.errno], True
    return f"connection failed: {(failure and failure.strerror) or failure}", False


@functools.cache
def _client_tls() -> ssl.SSLContext:
    """Towards containers TLS hides, it does not identify: they are found by address, which no certificate names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
