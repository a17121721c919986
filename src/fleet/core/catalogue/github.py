"""Codes of the forge at GitHub."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-GHB-001": ("GitHub does not accept our login, or gh has none.", "gh auth login; look with: gh auth status."),
    "FLT-GHB-002": ("GitHub limits our requests.", "Nothing: the fleet waits as long as GitHub asks, then catches up."),
    "FLT-GHB-003": ("GitHub answers with a failure of its own.", "Nothing: it is asked again every few seconds."),
    "FLT-GHB-004": (
        "What answered is not GitHub's API, or its answer is cut.",
        "If it lasts, look for a proxy: gh api user.",
    ),
    "FLT-GHB-005": (
        "Our login may not do this.",
        "Give it write access to the repository, or: gh auth refresh -s repo.",
    ),
    "FLT-GHB-006": (
        "GitHub knows no such thing, or hides it from our login.",
        "Check `repo:` in the configuration, and: gh repo view OWNER/NAME.",
    ),
    "FLT-GHB-007": ("Something changed at GitHub while we were at it.", "Nothing: it is looked at again."),
    "FLT-GHB-008": ("GitHub refuses the request and says why.", "Follow GitHub's words."),
    "FLT-GHB-009": (
        "GitHub does not merge although the head is approved and merges cleanly.",
        "A rule of the repository asks for more (a review by a person, a check): see the pull request on GitHub.",
    ),
    "FLT-GHB-010": ("No answer from GitHub within the time limit.", "Nothing: it is asked again every few seconds."),
    "FLT-GHB-011": (
        "The GitHub CLI gh cannot be started.",
        "Install it, and let the daemon find it in PATH: fleet down, up.",
    ),
    "FLT-GHB-013": (
        "git may not fetch from the repository at GitHub, or what it sends is not usable.",
        "Look with: gh auth status, and git ls-remote https://github.com/OWNER/NAME.",
    ),
    "FLT-GHB-014": (
        "The repository was renamed or moved; GitHub leads there from the old name, which somebody else may take.",
        "fleet down; fleet config set repo OWNER/NAME (in an org: org.yaml too); fleet up; git remote set-url origin.",
    ),
    "FLT-GHB-015": (
        "GitHub does not give the commits of a pull request, or git does not take them; that pull request alone waits.",
        "Nothing, if GitHub gives them again. If it lasts: push a new commit to it, or close it at GitHub.",
    ),
    "FLT-GHB-012": ("A listing of GitHub's has more pages than are read.", "Close or archive old open issues."),
}
