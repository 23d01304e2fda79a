"""The page at `/`: what there is to look at."""

from collections.abc import Sequence
from html import escape

from proxy import __version__


def index_page(paths: Sequence[str]) -> str:
    """Links to the paths: plain HTML that asks for nothing else."""
    links = "\n".join(f'<li><a href="{escape(path)}">{escape(path)}</a></li>' for path in paths)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Seawall</title></head>
<body>
<h1>Seawall {escape(__version__)}</h1>
<ul>
{links}
</ul>
</body>
</html>
"""
