"""What the demo's folder holds: a small program, its tests, the configuration and the playbooks. Pure data.

One test fails at first. The developer's first attempt mends it and breaks another, which the reviewers find out
by running the tests; the second attempt is right.
"""

from __future__ import annotations

NAME = "slug"
TICKET_TITLE = "Leave punctuation out of slugs"
TICKET_BODY = """\
`slugify("Hello, World!")` gives `hello,-world!`. Addresses should hold letters, digits and dashes only.

`test_punctuation_is_left_out` fails and should pass.
"""

PROGRAM = '''\
"""Turn titles into the part of an address that names them."""

import unicodedata


def slugify(title):
    """Lower case, plain letters, words joined by dashes."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return plain.lower().replace(" ", "-")
'''

# Mends the punctuation and loses every accented letter.
FIRST_ATTEMPT = '''\
"""Turn titles into the part of an address that names them."""

import re


def slugify(title):
    """Lower case, letters and digits only, words joined by dashes."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
'''

SECOND_ATTEMPT = '''\
"""Turn titles into the part of an address that names them."""

import re
import unicodedata


def slugify(title):
    """Lower case, plain letters and digits only, words joined by dashes."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
'''

TESTS = """\
import unittest

from slug import slugify


class Slugs(unittest.TestCase):
    def test_words_are_joined_by_dashes(self):
        self.assertEqual(slugify("Blue Suede Shoes"), "blue-suede-shoes")

    def test_accents_become_plain_letters(self):
        self.assertEqual(slugify("Crème brûlée"), "creme-brulee")

    def test_punctuation_is_left_out(self):
        self.assertEqual(slugify("Hello, World!"), "hello-world")


if __name__ == "__main__":
    unittest.main()
"""

CONFIG = """\
version: 1
repo: demo/slug
base: main
allow_shared_uid_merge: true
shared_uid_merge_reason: a throw-away repository made by fleet demo
agents:
  - name: developer
    role: developer
    subscribes_to: [ticket_ready, pr_changes_requested]
    budget_seconds: 120
    timeout_seconds: 30
  - name: tech-lead
    role: tech-lead
    subscribes_to: [pr_needs_review]
    budget_seconds: 60
    timeout_seconds: 30
  - name: qa-engineer
    role: qa-engineer
    subscribes_to: [pr_needs_review]
    budget_seconds: 60
    timeout_seconds: 30
  - name: release-manager
    role: release-manager
    subscribes_to: [pr_approved]
    budget_seconds: 60
    timeout_seconds: 30
"""

_DEVELOPER = """\
version: 1
rules:
  - on: ticket_ready
    do:
      - write:
          path: slug.py
          text: |
{first}
      - run: [python3, -m, unittest, test_slug.Slugs.test_punctuation_is_left_out]
      - commit: "Leave punctuation out of slugs"
      - push:
          title: Leave punctuation out of slugs
          body: The test of the ticket passes now.
  - on: pr_changes_requested
    do:
      - write:
          path: slug.py
          text: |
{second}
      - run: [python3, -m, unittest]
      - commit: "Keep accented letters, as the review asks"
      - push:
          title: Leave punctuation out of slugs
          body: All tests pass now.
"""

_REVIEWER = """\
version: 1
rules:
  - on: pr_needs_review
    do:
      - review_by_tests: [python3, -m, unittest, -v]
"""

_RELEASE_MANAGER = """\
version: 1
rules:
  - on: pr_approved
    do:
      - merge
"""


def _indented(text: str) -> str:
    """A text as a block inside a playbook."""
    return "\n".join(f"            {line}" if line else "" for line in text.rstrip("\n").split("\n"))


_REAL_CONFIG = """\
version: 1
repo: demo/slug
base: main
allow_shared_uid_merge: true
shared_uid_merge_reason: a throw-away repository made by fleet demo
auth: {auth}
backend: {backend}
claude: {{program: {program}, permission_seconds: 30}}
retry: {{attempts: 2}}
budgets: {budgets}
agents:
  - name: developer
    role: developer
    vendor: claude-code
    subscribes_to: [ticket_ready, pr_changes_requested]
    budget_seconds: 1200
    timeout_seconds: 600
  - name: tech-lead
    role: tech-lead
    vendor: claude-code
    subscribes_to: [pr_needs_review]
    budget_seconds: 900
    timeout_seconds: 450
  - name: qa-engineer
    role: qa-engineer
    vendor: claude-code
    subscribes_to: [pr_needs_review]
    budget_seconds: 900
    timeout_seconds: 450
  - name: release-manager
    role: release-manager
    vendor: claude-code
    subscribes_to: [pr_approved]
    budget_seconds: 600
    timeout_seconds: 300
"""
_REAL_PROMPT = """\
The program is `slug.py`, its tests are in `test_slug.py`; `python3 -m unittest` runs them all in a second. Keep to what
the ticket asks. This is a demonstration that somebody watches: be brief.
"""


def real_config(auth: str, backend: str, program: str, budgets: str = "{}") -> str:
    """The configuration for sessions of Claude Code; all of these are YAML in its short form."""
    return _REAL_CONFIG.format(auth=auth, backend=backend, program=program, budgets=budgets)


def real_files(config: str) -> dict[str, str]:
    """What the folder holds for them: no playbooks, and a word for every agent."""
    agents = ("developer", "tech-lead", "qa-engineer", "release-manager")
    plain = {name: text for name, text in FILES.items() if not name.startswith(".fleet/")}
    prompts = {f".fleet/prompts/{agent}.md": _REAL_PROMPT for agent in agents}
    return {**plain, ".fleet/config.yaml": config, **prompts}


FILES: dict[str, str] = {
    "README.md": "# slug\n\nOne function, its tests, and a fleet that works on it.\n\n    python3 -m unittest\n",
    ".gitignore": "__pycache__/\n",
    "slug.py": PROGRAM,
    "test_slug.py": TESTS,
    ".fleet/config.yaml": CONFIG,
    ".fleet/playbooks/developer.yaml": _DEVELOPER.format(
        first=_indented(FIRST_ATTEMPT), second=_indented(SECOND_ATTEMPT)
    ),
    ".fleet/playbooks/tech-lead.yaml": _REVIEWER,
    ".fleet/playbooks/qa-engineer.yaml": _REVIEWER,
    ".fleet/playbooks/release-manager.yaml": _RELEASE_MANAGER,
}
