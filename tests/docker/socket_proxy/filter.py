"""A socket proxy as small as can be: passes the engine's five read-only calls, refuses everything else."""

import asyncio
import contextlib
import re

SOCKET = "/var/run/docker.sock"
PORT = 2375
ALLOWED = re.compile(rb"GET (/v[0-9.]+)?/(_ping|version|events|containers/json|containers/[0-9a-f]+/json)(\?| )")
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: each request in turn, none of which has a body."""
    below_reader, below_writer = await asyncio.open_unix_connection(SOCKET)
    answers = asyncio.create_task(pump(below_reader, writer))
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if not ALLOWED.match(head):
                writer.write(REFUSAL)
                return
            below_writer.write(head)
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        answers.cancel()
        below_writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What the engine says goes on as it comes."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.start_server(serve, "0.0.0.0", PORT)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
