"""Build the documentation site from ``docs/`` and the pages at the top: ``./dev docs``.

Writes ``build/site``. Nothing is fetched, neither while building nor by a reader's browser: every page carries a
policy that forbids it, and the links of every page are checked before anything is built.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
BUILD = ROOT / "build"

# Pages at the top of the repository that are part of the site, by their name there.
TOP = {"ARCHITECTURE.md": "project/architecture.md", "CHANGELOG.md": "project/changelog.md"}
SECTIONS = (
    ("Tutorial", "tutorial"),
    ("How-to", "howto"),
    ("Reference", "reference"),
    ("Explanation", "explanation"),
    ("Decisions", "adr"),
    ("Project", "project"),
)
# No page may load or send anything elsewhere, whatever the theme's script would like to.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src 'self' data:"
_MAIN = """{%% extends "base.html" %%}
{%% block extrahead %%}<meta http-equiv="Content-Security-Policy" content="%s">{%% endblock %%}
"""

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")


def pages() -> dict[str, Path]:
    """Every page of the site: its name there and the file it is made from."""
    found = {path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*.md"))}
    return {**found, **{name: ROOT / source for source, name in TOP.items()}}


def title(text: str, name: str) -> str:
    """A page's first heading."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1] if found else name


def anchors(text: str) -> set[str]:
    """What the headings of a page can be linked by."""
    found = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-") for heading in found}


def links(path: Path) -> Iterator[tuple[str, Path, str]]:
    """The relative links of a file: as written, the file they mean, and the place in it."""
    for _, target in _LINK.findall(_FENCE.sub("", path.read_text("utf-8"))):
        if not re.match(r"[a-z]+:", target):
            file, _, place = target.partition("#")
            yield target, (path.parent / file).resolve() if file else path, place


def broken() -> list[str]:
    """Every link that leads nowhere, one line each."""
    found = []
    for path in (*pages().values(), ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for target, file, place in links(path):
            if not file.exists() or (place and place not in anchors(file.read_text("utf-8"))):
                found.append(f"{path.relative_to(ROOT)}: {target}")
    return found


def in_site(path: Path, name: str) -> str:
    """A page's text for the site: links to other pages point there, links into the repository become plain words."""
    places = {file: where for where, file in pages().items()}
    text = path.read_text("utf-8")
    aims = {target: (file, place) for target, file, place in links(path)}

    def replaced(found: re.Match[str]) -> str:
        if found[2] not in aims:
            return found[0]
        file, place = aims[found[2]]
        if file.is_dir():
            file = next((one for one in sorted(file.glob("*.md"))), file)
        where = places.get(file)
        if where is None:
            return found[1]
        relative = os.path.relpath(where, Path(name).parent)
        return f"[{found[1]}]({relative}{'#' + place if place else ''})"

    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    # The theme would fetch a program to draw these; the table below each drawing says the same.
    parts = [re.sub(r"^```mermaid$", "```text", part, flags=re.MULTILINE) for part in parts]
    return "".join(part if part.startswith("```") else _LINK.sub(replaced, part) for part in parts)


def navigation() -> list[dict[str, object]]:
    """The sections in their order; every page of a folder is in it, by name."""
    found: list[dict[str, object]] = [{"Home": "index.md"}]
    for heading, folder in SECTIONS:
        inside = [
            {title(path.read_text("utf-8"), name): name}
            for name, path in sorted(pages().items())
            if name.startswith(f"{folder}/")
        ]
        if inside:
            found.append({heading: inside})
    return found


def _toml(value: object) -> str:
    """A value in TOML: texts, lists, inline tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def stage(folder: Path) -> Path:
    """Lay out what the generator reads; the configuration file. It writes beside that, into ``site``."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, path in pages().items():
        target = folder / "docs" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(in_site(path, name), "utf-8")
    (folder / "theme").mkdir()
    (folder / "theme" / "main.html").write_text(_MAIN % POLICY, "utf-8")
    config = folder / "zensical.toml"
    config.write_text(
        "[project]\n"
        'site_name = "Fleet"\n'
        'site_description = "Runs AI coding agents in tmux, under rules that people set and can check."\n'
        'docs_dir = "docs"\n'
        'site_dir = "site"\n'
        "use_directory_urls = false\n"  # the pages also work when opened as files
        f"nav = {_toml(navigation())}\n"
        '[project.theme]\ncustom_dir = "theme"\nfont = false\nfeatures = ["navigation.sections", "content.code.copy"]\n'
        "[project.extra]\ngenerator = false\n",
        "utf-8",
    )
    return config


def main(argv: list[str]) -> int:
    """Check the links, build, say where it is."""
    parser = argparse.ArgumentParser(prog="./dev docs", description="Build the documentation site.")
    parser.add_argument("--output", type=Path, default=BUILD / "site", help="folder to write")
    options = parser.parse_args(argv)
    site: Path = options.output.resolve()
    wrong = broken()
    if wrong:
        sys.stderr.write("links that lead nowhere:\n" + "".join(f"  {line}\n" for line in wrong))
        return 1
    config = stage(site.with_name(site.name + ".stage"))
    made = config.parent / "site"
    zensical = str(Path(sys.executable).with_name("zensical"))
    program = [zensical, "build", "--clean", "--strict", "--config-file", str(config)]
    done = subprocess.run(program, cwd=config.parent, capture_output=True, text=True)
    if done.returncode or not (made / "index.html").is_file():
        sys.stderr.write(done.stdout + done.stderr)
        return done.returncode or 1
    shutil.rmtree(site, ignore_errors=True)
    made.rename(site)
    shutil.rmtree(config.parent)
    print(f"{site / 'index.html'}: {len(pages())} pages")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
