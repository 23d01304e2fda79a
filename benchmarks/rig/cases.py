"""The questions asked of every peer: what is requested, and over how many connections."""

from dataclasses import dataclass

MEGABYTE = 1_000_000
LARGE_BYTES = 100_000
SMALL_BODY = b"Hello, world\n"

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
    path: str = "/small"
    answer_bytes: int = len(SMALL_BODY)
    upload_bytes: int = 0
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
        return self.upload_bytes >= MEGABYTE

    @property
    def units_per_request(self) -> float:
        """How many units of the figure (requests, or MB) one request counts."""
        return max(self.answer_bytes, self.upload_bytes) / MEGABYTE if self.is_bulk else 1.0


CASES = (
    Case(name="small", title="small GET, 64 connections", connections=64, is_default=True),
    Case(name="small-512", title="small GET, 512 connections", connections=512),
    Case(name="small-1", title="small GET, 1 connection", connections=1),
    Case(name="post-100", title="POST of 100 bytes, 64 connections", connections=64, upload_bytes=100),
    Case(name="get-100k", title="100 KB down, 64 connections", connections=64, path="/100k", answer_bytes=100_000),
    Case(name="get-10m", title="10 MB down, 8 connections", connections=8, path="/10m", answer_bytes=10 * MEGABYTE),
    Case(name="put-10m", title="10 MB up, 8 connections", connections=8, path="/up", upload_bytes=10 * MEGABYTE),
)
