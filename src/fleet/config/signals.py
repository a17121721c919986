"""What a repository is, by the names at its top: for the first team that fits it, and for the handbook.

Reads no content, so nothing that a stranger wrote gets in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_MANY = 20_000  # entries of a folder that are looked at


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of repository: how people call it, and the names that show it; those of folders end with /."""

    name: str
    says: str
    names: tuple[str, ...]


# In the order in which they are said. One name is enough.
KINDS = (
    Kind("go", "Go modules", ("go.mod",)),
    Kind("python", "Python", ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")),
    Kind("node", "JavaScript or TypeScript", ("package.json",)),
    Kind(
        "web",
        "a web front end",
        (
            "next.config.*", "vite.config.*", "svelte.config.*", "nuxt.config.*", "astro.config.*", "angular.json",
            "vue.config.*", "index.html",
        ),
    ),
    Kind("rust", "Rust crates", ("Cargo.toml",)),
    Kind("jvm", "Java or Kotlin", ("pom.xml", "build.gradle", "build.gradle.kts")),
    Kind("dotnet", ".NET", ("*.sln", "*.csproj")),
    Kind("ruby", "Ruby", ("Gemfile",)),
    Kind("php", "PHP", ("composer.json",)),
    Kind("apple", "an app for Apple's systems", ("Package.swift", "*.xcodeproj/", "Podfile")),
    Kind("native", "C or C++", ("CMakeLists.txt", "meson.build", "configure.ac")),
    Kind("data", "data pipelines", ("dbt_project.yml", "dags/", "airflow.cfg", "dagster.yaml", "*.ipynb")),
    Kind(
        "infrastructure",
        "infrastructure as code",
        ("*.tf", "terraform/", "Chart.yaml", "charts/", "k8s/", "kustomization.yaml", "ansible.cfg",
         "cdk.json", "Pulumi.yaml"),
    ),
    Kind("docker", "container images", ("Dockerfile", "compose.yaml", "docker-compose.yml")),
    Kind("docs", "a documentation site", ("mkdocs.yml", "zensical.toml", "docusaurus.config.*", "antora.yml")),
)  # fmt: skip


def kinds_of(checkout: Path) -> Mapping[str, str]:
    """The kinds that a folder shows, each with the name that shows it; nothing when it cannot be read."""
    names: list[str] = []
    try:
        with os.scandir(checkout) as entries:
            for entry in entries:
                names.append(f"{entry.name}/" if entry.is_dir() else entry.name)
                if len(names) >= _MANY:
                    break
    except OSError:
        return {}
    found = {kind.name: _shows(kind, sorted(names)) for kind in KINDS}
    return {name: shown for name, shown in found.items() if shown}


def _shows(kind: Kind, names: list[str]) -> str:
    """The first of a kind's signs that is there: the sign itself, never the name of somebody's file."""
    for sign in kind.names:
        head, star, tail = sign.partition("*")
        if star and any(name.startswith(head) and name.endswith(tail) for name in names):
            return sign
        if not star and sign in names:
            return sign
    return ""


def says(name: str) -> str:
    """How people call a kind."""
    return next(kind.says for kind in KINDS if kind.name == name)
