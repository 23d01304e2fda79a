"""The probe that only connects: whether somebody listens."""

import asyncio

from proxy.control.probes.conversation import Conversation


class TcpConnect(Conversation):
    """Closes as soon as it is connected."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, which is all that was asked."""
        super().connection_made(transport)
        self.finish("")
