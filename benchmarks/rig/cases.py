"""The questions asked of every peer: what is requested, and over how many connections."""

from dataclasses import dataclass

MEGABYTE = 1_000_000
LARGE_BYTES = 100_000
SMALL_BODY = b"Hello, world\n"

# What a simple client says of itself, beside its Host: 2 fields in all.
PLAIN_FIELDS = (("Host", "app.example.com"), ("Accept", "*/*"))

# Chrome's request for a page, in its order: 13 fields.
BROWSER_FIELDS = (
    ("Host", "app.example.com"),
    ("Connection", "keep-alive"),
    ("sec-ch-ua", '"Chromium";v="128", "Not;A=Brand";v="24", "Google Chrome";v="128"'),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", '"Linux"'),
    ("Upgrade-Insecure-Requests", "1"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36",
    ),
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    ),
    ("Sec-Fetch-Site", "none"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question. Large bodies are counted in MB instead of requests."""

    name: str
    title: str
    connections: int
    fields: tuple[tuple[str, str], ...] = BROWSER_FIELDS
    path: str = "/small"
    answer_bytes: int = len(SMALL_BODY)
    upload_bytes: int = 0
    is_closing: bool = False  # each request on a connection of its own
    is_default: bool = False

    @property
    def is_large(self) -> bool:
        """True when a body is larger than a proxy's usual buffer, so that buffer settings matter."""
        return max(self.answer_bytes, self.upload_bytes) >= LARGE_BYTES

    @property
    def is_bulk(self) -> bool:
        """True when MB/s is the figure, False when requests/s is."""
        return max(self.answer_bytes, self.upload_bytes) >= MEGABYTE

    @property
    def needs_sink(self) -> bool:
        """True when the upload is too large for a backend that answers before it has read it."""
        return self.upload_bytes >= LARGE_BYTES

    @property
    def units_per_request(self) -> float:
        """How many units of the figure (requests, or MB) one request counts."""
        return max(self.answer_bytes, self.upload_bytes) / MEGABYTE if self.is_bulk else 1.0


CASES = (
    *(
        Case(
            name="small" if count == 64 else f"small-{count}",
            title=f"small GET, 13 fields, {count} connection{'s' if count > 1 else ''}",
            connections=count,
            is_default=count == 64,
        )
        for count in (64, 1, 512, 2000)
    ),
    *(
        Case(
            name=f"plain-{count}",
            title=f"small GET, 2 fields, {count} connection{'s' if count > 1 else ''}",
            connections=count,
            fields=PLAIN_FIELDS,
        )
        for count in (1, 64, 512, 2000)
    ),
    Case(name="new", title="a new connection per request, 64 at once", connections=64, is_closing=True),
    Case(name="get-1k", title="1 KB down, 64 connections", connections=64, path="/1k", answer_bytes=1_000),
    Case(name="post-1k", title="1 KB up (POST), 64 connections", connections=64, upload_bytes=1_000),
    Case(name="get-100k", title="100 KB down, 64 connections", connections=64, path="/100k", answer_bytes=100_000),
    Case(name="put-100k", title="100 KB up, 64 connections", connections=64, path="/up", upload_bytes=100_000),
    Case(name="get-10m", title="10 MB down, 8 connections", connections=8, path="/10m", answer_bytes=10 * MEGABYTE),
    Case(name="put-10m", title="10 MB up, 8 connections", connections=8, path="/up", upload_bytes=10 * MEGABYTE),
)


def find_case(name: str) -> Case:
    """The case of that name. Raises KeyError."""
    return {case.name: case for case in CASES}[name]
