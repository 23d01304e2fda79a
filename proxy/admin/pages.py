"""The dashboard at `/`: its files, which are read once. What they show is in overview.py and the API.

The files stand in `dashboard/` as they are sent. They may run no script and ask no host but this one, so what a label
smuggles into a name stays text, and nothing of what is shown here can be sent elsewhere.
"""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePath
from typing import Final

from aiohttp import web

_INDEX: Final = "index.html"
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'none'",
    )
)
_FIELDS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-cache",  # kept, but asked for each time: after an upgrade no old script meets a new document
    "Cross-Origin-Resource-Policy": "same-origin",
}
_TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One file as it is sent. `tag` changes with its text."""

    text: str
    content_type: str
    tag: str


class Pages:
    """The handlers of the dashboard's files."""

    def __init__(self) -> None:
        self._files = _read_files()

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the page and its files."""
        router.add_get("/", self._index)
        router.add_get("/dashboard/{name}", self._file)

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return _answer(request, self._files[_INDEX])

    async def _file(self, request: web.Request) -> web.StreamResponse:
        page = self._files.get(request.match_info["name"])
        if page is None:
            raise web.HTTPNotFound
        return _answer(request, page)


def _answer(request: web.Request, page: Page) -> web.StreamResponse:
    known = request.if_none_match or ()
    if any(tag.value in (page.tag, "*") for tag in known):
        response = web.Response(status=304, headers=_FIELDS)
    else:
        response = web.Response(text=page.text, content_type=page.content_type, headers=_FIELDS)
        response.enable_compression()
    response.etag = page.tag
    return response


def _read_files() -> dict[str, Page]:
    pages = {}
    for file in files("proxy.admin").joinpath("dashboard").iterdir():
        content_type = _TYPES.get(PurePath(file.name).suffix)
        if content_type is not None:
            text = file.read_text("utf-8")
            tag = hashlib.sha256(text.encode()).hexdigest()[:16]
            pages[file.name] = Page(text=text, content_type=content_type, tag=tag)
    return pages
