"""What `mkdocs build` does beyond its configuration: pages of the root, links, diagrams.

The pages are written for a reader of the repository. Here their links are turned to where the same
page is on the site, lists are told to Python-Markdown as other readers of Markdown see them, and
Mermaid, which the theme would load from another host, comes from a pinned file.
"""

import posixpath
import re
import zipfile
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from lakehouse.runtime.artifacts import pinned
from lakehouse.runtime.download import Download, fetch
from lakehouse.settings import Settings

ROOT = Path(__file__).parents[2]
ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
MERMAID = "site/mermaid.min.js"
MEMBER = re.compile(r"META-INF/resources/webjars/mermaid/[^/]+/dist/mermaid\.min\.js")
FENCE = re.compile(r"^(```.*?^```[^\S\n]*$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
ITEM = re.compile(r"(?:[-*]|\d+\.) ")


def mermaid() -> bytes:
    """Mermaid's script, out of the pinned jar in the cache folder.

    Raises:
        Unavailable: it is not in the cache and cannot be downloaded.
    """
    settings = Settings()
    (pin,) = pinned(Path(__file__).with_name("pins.yaml"))["mermaid"]
    jar = settings.cache / "maven" / pin.path
    url = f"{settings.maven_url.rstrip('/')}/{pin.path}"
    fetch([Download(url, jar, pin.bytes, pin.sha256)], what="mermaid")
    with zipfile.ZipFile(jar) as files:
        (name,) = filter(MEMBER.fullmatch, files.namelist())
        return files.read(name)


def on_files(files: Files, config: Any) -> Files:
    """Add what does not lie in docs/."""
    for name in ROOT_PAGES:
        files.append(File.generated(config, name, content=(ROOT / name).read_text()))
    files.append(File.generated(config, MERMAID, content=mermaid()))
    return files


def place_of(page: str) -> str:
    """Where a page of the site lies in the repository."""
    return page if page in ROOT_PAGES else f"docs/{page}"


def turned(page: str, target: str) -> str | None:
    """A link of the repository as one of the site; None where the site has no such page."""
    path, mark, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", target):
        return target
    found = posixpath.normpath(posixpath.join(posixpath.dirname(place_of(page)), path))
    if found in ROOT_PAGES:
        there = found
    elif found.startswith("docs/"):
        there = found.removeprefix("docs/")
    else:
        return None
    return posixpath.relpath(there, posixpath.dirname(page) or ".") + mark + anchor


def with_lists(text: str) -> str:
    """Put the empty line before a list that Python-Markdown wants and others do not."""
    lines: list[str] = []
    for line in text.split("\n"):
        before = lines[-1] if lines else ""
        if ITEM.match(line) and before.strip() and not ITEM.match(before) and before[0] != " ":
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links, and mend lists, outside blocks of code."""
    source = page.file.src_uri

    def link(found: re.Match[str]) -> str:
        target = turned(source, found[2])
        return found[1] if target is None else f"[{found[1]}]({target})"

    parts = FENCE.split(markdown)
    parts[::2] = [with_lists(LINK.sub(link, part)) for part in parts[::2]]
    return "".join(parts)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Load Mermaid, before the theme asks another host for it, on pages with a diagram."""
    if 'class="mermaid"' not in output:
        return output
    script = posixpath.relpath(MERMAID, posixpath.dirname(page.url) or ".")
    return output.replace("</head>", f'<script src="{script}"></script></head>', 1)
