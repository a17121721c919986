"""The documentation site: links lead somewhere, commands parse, and no page asks anything of the network."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from tests.docs.consoles import ROOT, blocks, fault, fleet_calls, typed

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
# What a browser loads by itself, as opposed to where a reader may click.
LOADS = re.compile(r"""<(?:script|img|iframe|source|video|audio|embed|link)\b[^>]*?\b(?:src|href)=["']?([^"'\s>]+)""")
STYLE_LOADS = re.compile(r"""(?:@import\s+|url\()\s*["']?(https?:)?//""")


@pytest.fixture
def docsite() -> ModuleType:
    """The builder."""
    spec = importlib.util.spec_from_file_location("docsite", ROOT / "scripts" / "docsite.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_link_of_every_page_leads_somewhere(docsite: ModuleType) -> None:
    assert docsite.broken() == []


def test_a_link_that_leads_nowhere_is_named(
    docsite: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"):
        (tmp_path / name).write_text("# Top\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n[there](../README.md) [gone](b.md)\n```\n[code](c.md)\n```\n")
    (tmp_path / "docs" / "d.md").write_text("# A `word`, and\n[place](#a-word-and) [other](a.md#nowhere)\n")
    monkeypatch.setattr(docsite, "ROOT", tmp_path)
    monkeypatch.setattr(docsite, "DOCS", tmp_path / "docs")
    assert docsite.broken() == ["docs/a.md: b.md", "docs/d.md: a.md#nowhere"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_fleet_command_on_a_page_is_one_that_exists(page: Path) -> None:
    wrong = [
        f"{one.command}: {complaint}"
        for block in blocks(page.read_text("utf-8"))
        for one in typed(block)
        for call in fleet_calls(one.command)
        if (complaint := fault(call))
    ]
    assert wrong == []


@pytest.mark.timeout(300)
def test_the_site_has_every_page_and_loads_nothing_from_elsewhere(docsite: ModuleType, tmp_path: Path) -> None:
    program = [sys.executable, str(ROOT / "scripts" / "docsite.py"), "--output", str(tmp_path / "site")]
    done = subprocess.run(program, capture_output=True, text=True, timeout=280, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    built = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.html")}
    assert {name.removesuffix(".md") + ".html" for name in docsite.pages()} <= built
    home = (tmp_path / "site" / "index.html").read_text("utf-8")
    for name in docsite.pages():
        assert f'href="./{name.removesuffix(".md")}.html"' in home or name == "index.md", f"{name} is in no menu"
    for name in built:
        page = (tmp_path / "site" / name).read_text("utf-8")
        assert "Content-Security-Policy" in page
        loaded = [address for address in LOADS.findall(page) if re.match(r"(?:https?:)?//", address)]
        assert loaded == [], f"{name} loads {loaded}"
        assert '<pre class="mermaid"' not in page, f"{name} would make the theme fetch a drawing program"
    for style in (tmp_path / "site").rglob("*.css"):
        assert STYLE_LOADS.search(style.read_text("utf-8")) is None, f"{style.name} loads something from elsewhere"
