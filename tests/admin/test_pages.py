"""The dashboard's files over a real socket; how it behaves in a browser is in dashboard/."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from aiohttp import ClientSession

NAMES = sorted(file.name for file in files("proxy.admin").joinpath("dashboard").iterdir())
PATHS = ("/", *(f"/dashboard/{name}" for name in NAMES))


@pytest.mark.parametrize("path", PATHS)
async def test_every_file_may_ask_this_host_only(client: ClientSession, path: str) -> None:
    async with client.get(path) as response:
        text, headers = await response.text(), response.headers
    policy = dict(directive.split(" ", 1) for directive in headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "form-action": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers.getall("Server") == ["seawall"]
    assert set(re.findall(r"\b(?:https?|wss?)://[^\"' ]*", text)) <= {
        "http://www.w3.org/2000/svg"
    }  # a name, not a place


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".js")])
async def test_no_script_writes_markup(client: ClientSession, name: str) -> None:
    async with client.get(f"/dashboard/{name}") as response:
        text = await response.text()
    assert response.content_type == "text/javascript"
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|localStorage", text)
        == []
    )


async def test_file_that_is_known_is_not_sent_again(client: ClientSession) -> None:
    async with client.get("/dashboard/style.css") as response:
        tag, caching = response.headers["ETag"], response.headers["Cache-Control"]
    assert caching == "no-cache"
    async with client.get("/dashboard/style.css", headers={"If-None-Match": tag}) as response:
        assert (response.status, await response.read(), response.headers["ETag"]) == (304, b"", tag)
    async with client.get("/dashboard/style.css", headers={"If-None-Match": '"another"'}) as response:
        assert response.status == 200


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fpages.py", "%2Fetc%2Fpasswd", ""])
async def test_what_is_none_of_the_files_is_not_found(client: ClientSession, name: str) -> None:
    async with client.get(f"/dashboard/{name}") as response:
        assert response.status == 404
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; frame")


async def test_page_links_every_document(client: ClientSession) -> None:
    async with client.get("/") as response:
        text = await response.text()
    for path in re.findall(r'<a href="([^#"]+)"', text):
        async with client.get(f"/{path}") as response:
            assert response.status in (200, 503), path  # 503: not ready


def test_files_are_part_of_the_package() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["package-data"]["proxy.admin"] == ["dashboard/*"]
