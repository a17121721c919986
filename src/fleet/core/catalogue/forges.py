"""Codes of the forge: tickets, branches, pull requests, merges."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-FRG-042": (
        "A run waits because somebody put `fleet:hold` on its ticket or pull request after its start was decided.",
        "Take the label off when it may go on.",
    ),
    "FLT-FRG-041": (
        "git cannot read the commits of a pull request in the fleet's repository; that pull request alone waits.",
        "Look with: git --git-dir=REPOSITORY fsck. Push a new commit to it, or: fleet pr close N --reason TEXT.",
    ),
    "FLT-FRG-040": (
        "A run waits because the text of its ticket or pull request changed, and nobody has accepted it yet.",
        "Read it, then accept its text (fleet ticket accept N, for a pull request too); a ticket's also by putting"
        " `ready` on again.",
    ),
    "FLT-FRG-001": ("There is no such ticket.", "fleet ticket list shows them."),
    "FLT-FRG-002": ("There is no such pull request.", "fleet pr list shows them."),
    "FLT-FRG-003": ("The branch is elsewhere than expected.", "Fetch it, put your commits on top, push again."),
    "FLT-FRG-004": ("The fleet moves only its own branches.", "Push to fleet/<ticket number>."),
    "FLT-FRG-005": ("The pull request is not open, or its head moved.", "Review the new head."),
    "FLT-FRG-006": ("The pull request conflicts with the base branch.", "Merge the base into it, resolve, push again."),
    "FLT-FRG-007": ("Neither a ticket nor a pull request has this number.", "fleet ticket list, fleet pr list."),
    "FLT-FRG-008": ("No such branch was pushed.", "Push it first."),
    "FLT-FRG-009": ("The branch brings nothing that its base lacks.", "Commit a change first."),
    "FLT-FRG-010": ("The branch and its base have no commit in common.", "Start the branch from the base branch."),
    "FLT-FRG-011": (
        "This is not a usable branch name or commit id.",
        "Use letters, digits and . _ / -, or all digits of an id.",
    ),
    "FLT-FRG-012": ("A title, body or remark has a wrong form.", "Correct it as the message says."),
    "FLT-FRG-013": (
        "This is not a label name, or it is added and removed at once.",
        "Use up to 50 plain ASCII characters.",
    ),
    "FLT-FRG-014": ("git cannot work at the moment.", "Nothing: it is tried again."),
    "FLT-FRG-015": ("git failed.", "Read its message; look at the repository."),
    "FLT-FRG-016": ("git refuses this repository or checkout.", "Run the fleet as its owner, on an ordinary checkout."),
    "FLT-FRG-017": (
        "The base branch does not exist or has no commit.",
        "Commit on it, or change base in the configuration.",
    ),
    "FLT-FRG-018": (
        "The place that a commit comes from is no plain git repository: a link or a strange file is in it.",
        "Push from an ordinary clone.",
    ),
    "FLT-FRG-019": ("The repository has no such commit.", "Commit it there first."),
    "FLT-FRG-020": ("The base branch kept moving during a merge.", "Try again."),
    "FLT-FRG-030": (
        "An object of the commit is missing or malformed; git does not take it.",
        "Make the commit again with plain git commands.",
    ),
    "FLT-FRG-031": (
        "Against the base branch as it is now, the head is another change than the one that was approved.",
        "Review it again.",
    ),
    "FLT-FRG-032": ("A required check is not green any more.", "Wait for it, or mend what it says."),
    "FLT-FRG-034": (
        "Somebody pointed the pull request at another branch in the moment of its merge, and GitHub merged it there.",
        "The base branch does not have it. Revert it where it went, or open a pull request for the base again.",
    ),
    "FLT-FRG-033": (
        "The pull request would go into another branch than the fleet's base.",
        "Point it at the base branch again, or merge it by hand.",
    ),
}
