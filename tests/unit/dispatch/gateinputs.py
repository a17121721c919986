"""What the merge predicate reads, by field, and stories in which one of these alone turns its answer."""

from __future__ import annotations

from tests.unit.dispatch.histories import GOOD

# Every input of the real predicate, and what stands for it in a story. A test compares it with the fields of the
# facts: a new one has to be put here, into a story and into the reference.
KNOWN: dict[str, dict[str, str]] = {
    "MergeFacts": {
        "number": "always 8",
        "state": "state",
        "head": "head",
        "authors": "opened_by, pushed_by_runs, pushed_by_people, commits",
        "verdicts": "verdicts",
        "reviewers": "asked, waivers; lead is disabled",
        "protected": "paths",
        "principal": "merger",
        "principal_is_agent": "merger",
        "lineage": "merger, runs",
        "shared_uid": "always true: there is no other mode yet",
        "shared_uid_merge_allowed": "flag",
        "content": "seen, grants",
        "grants": "grants",
        "base_alarm": "alarm",
        "asked": "asked",
        "waivers": "waivers",
        "paths": "paths",
        "hold": "held, text, pull_text",
        "diff": "seen",
        "base_ref": "into",
        "base": "always main",
        "ruled_checks": "ruled",
        "checks": "checks",
        "wanted_checks": "required, ruled",
        "conflict": "conflict",
    },
    "VerdictFact": {
        "seq": "the order of verdicts",
        "principal": "verdicts",
        "approves": "verdicts",
        "head": "verdicts",
        "lineage": "runs",
        "content": "seen",
        "diff": "seen",
        "void": "quarantines",
    },
    "ReviewerFact": {"agent": "asked", "asked": "asked", "waived_by": "waivers"},
    "AskedFact": {"agent": "asked", "state": "asked", "role": "pat has two"},
    "GrantFact": {"principal": "grants", "lineage": "grants"},
    "HoldFacts": {"labelled": "held", "changed": "text, pull_text"},
    "WantedCheck": {"name": "required, ruled", "app_id": "required, ruled"},
    "LiveCheck": {
        "name": "checks",
        "app_id": "checks",
        "state": "checks",
        "summary": "untrusted text: never read",
        "url": "untrusted text: never read",
    },
}

# For each check of the real predicate stories that differ from GOOD in one thing, and what it turns the verdict to.
BOB = ("bob", True, True)
TURNS: dict[str, tuple[tuple[dict[str, object], str], ...]] = {
    "pull_open": (({"state": "closed"}, "deny"), ({"state": "merged"}, "deny"), ({"head": False}, "deny")),
    "approved": (
        ({"verdicts": (), "asked": (("qa", "denied", True), ("pat", "denied", True))}, "hold"),
        ({"seen": ((0, "other", ""), (1, "other", ""))}, "hold"),
        ({"seen": ((0, "other", ""), (1, "this", ""))}, "allow"),
        ({"quarantines": (("qa", 2), ("pat", 2)), "waivers": (("qa", True, True), ("pat", True, True))}, "hold"),
        ({"quarantines": (("qa", 2),), "waivers": (("qa", True, True),)}, "allow"),
        ({"quarantines": (("qa", 0),)}, "allow"),  # what it says afterwards counts
    ),
    "no_objection": (
        ({"verdicts": ((1, True, True), (2, True, True), ("ann", False, True))}, "hold"),
        ({"verdicts": ((1, False, True), (1, True, True), (2, True, True))}, "allow"),
        ({"verdicts": ((1, False, True), (1, True, True), (2, True, True)), "quarantines": (("qa", 3),)}, "hold"),
    ),
    "reviewers_answered": (
        ({"verdicts": ((1, True, True),)}, "hold"),
        ({"quarantines": (("qa", 2),)}, "hold"),
        ({"verdicts": ((1, True, True),), "waivers": (("pat", True, True),)}, "allow"),
        ({"verdicts": ((1, True, True),), "waivers": (("pat", False, True),)}, "hold"),
    ),
    "protected_paths": (
        ({"paths": ("CLAUDE.md",)}, "hold"),
        ({"paths": ("CLAUDE.md",), "grants": (BOB,)}, "allow"),
        ({"paths": ("CLAUDE.md",), "grants": (("bob", False, True),)}, "hold"),
        ({"paths": ("CLAUDE.md",), "grants": (("bob", True, False),)}, "hold"),
        ({"paths": ("CLAUDE.md",), "grants": (BOB,), "pushed_by_people": frozenset({"bob"})}, "hold"),
        ({"paths": ("CLAUDE.md",), "verdicts": (*GOOD.verdicts, BOB)}, "allow"),
        ({"paths": ("CLAUDE.md",), "verdicts": (*GOOD.verdicts, BOB), "seen": ((2, "this", "other"),)}, "hold"),
        ({"paths": ("CLAUDE.md",), "verdicts": (*GOOD.verdicts, BOB), "seen": ((2, "this", "this"),)}, "allow"),
    ),
    "merger": (({"merger": 0}, "deny"), ({"opened_by": "human:ann", "merger": "ann"}, "allow")),
    "shared_uid": (
        ({"flag": False}, "hold"),
        ({"flag": False, "grants": (BOB,)}, "allow"),
        ({"flag": False, "verdicts": (*GOOD.verdicts, BOB)}, "hold"),
        ({"flag": False, "merger": "ann"}, "allow"),
    ),
    "base_explained": (
        ({"alarm": "holding"}, "hold"),
        ({"alarm": "noted"}, "allow"),
        ({"alarm": "answered"}, "allow"),
    ),
    "hold": (
        ({"held": ("pr",)}, "hold"),
        ({"held": ("ticket",)}, "hold"),
        ({"text": "changed"}, "hold"),
        ({"text": "never"}, "allow"),
        ({"pull_text": "changed"}, "hold"),
        ({"pull_text": "never"}, "allow"),
    ),
    "required_checks": (
        ({"required": (("build", 15368),)}, "hold"),
        ({"required": (("build", 15368),), "checks": (("build", 15368, "passed"),)}, "allow"),
        ({"required": (("build", 15368),), "checks": (("build", 7, "passed"),)}, "hold"),
        ({"required": (("build", 15368),), "checks": (("build", 0, "passed"),)}, "hold"),
        ({"ruled": (("build", 0),), "checks": (("build", 7, "passed"),)}, "allow"),
        ({"ruled": (("build", 0),), "checks": (("build", 7, "passed"), ("build", 0, "failed"))}, "hold"),
        ({"ruled": (("build", 0),), "checks": (("build", 7, "pending"),)}, "hold"),
        ({"checks": (("build", 7, "failed"),)}, "allow"),
    ),
    "into_the_base": (({"into": "release"}, "deny"),),
    "merges_cleanly": (({"conflict": True}, "hold"),),
}
