"""Codes of the Fabric's tasks, messages, questions, blockers and artifacts."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-FAB-100": ("There is no such task.", "fleet fabric tasks lists them."),
    "FLT-FAB-101": ("The list of tasks is full.", "Complete or withdraw some: fleet fabric tasks."),
    "FLT-FAB-102": ("Somebody else holds the task.", "Wait until the named time, or take another task."),
    "FLT-FAB-103": ("The task is done or withdrawn.", "fleet fabric tasks shows what is open."),
    "FLT-FAB-104": ("The claim is lost: its lease ran out, or somebody holds a later one.", "Stop; claim it anew."),
    "FLT-FAB-105": ("Only whoever offered a task, or a person, withdraws it.", "Let one of them do it."),
    "FLT-FAB-110": ("There is no such message.", "fleet inbox lists them."),
    "FLT-FAB-111": ("There is no such question.", "fleet questions --all lists them."),
    "FLT-FAB-112": ("An inbox is full.", "Its reader acknowledges messages: fleet fabric ack N."),
    "FLT-FAB-113": ("The message or inbox is somebody else's.", "fleet inbox shows your own."),
    "FLT-FAB-114": ("The asker has too many open questions.", "Answer some: fleet questions, fleet answer N TEXT."),
    "FLT-FAB-115": ("The question is answered already.", "fleet questions --all shows the answer."),
    "FLT-FAB-116": ("The question has no answer yet.", "It comes to the asker's inbox: fleet inbox."),
    "FLT-FAB-117": ("The agent has left the fleet.", "fleet agent list shows the members."),
    "FLT-FAB-120": ("There is no such blocker.", "fleet fabric blockers --all lists them."),
    "FLT-FAB-121": ("There are too many open blockers of one sender.", "Resolve some: fleet fabric resolve N TEXT."),
    "FLT-FAB-122": ("The blocker concerns others.", "Whoever opened it, was told, or a person resolves it."),
    "FLT-FAB-123": ("The blocker is resolved already.", "fleet fabric blockers --all shows how."),
    "FLT-FAB-130": ("There is no such artifact.", "fleet fabric artifact list shows them."),
    "FLT-FAB-131": ("The artifact is too large.", "Raise fabric.artifact_bytes, or put it into the repository."),
    "FLT-FAB-132": (
        "All artifacts together would be too large.",
        "A person removes some: fleet fabric artifact remove N; or raise fabric.artifacts_bytes.",
    ),
    "FLT-FAB-133": ("A piece of an artifact came out of its turn, or its upload was let go.", "Put it again."),
    "FLT-FAB-134": ("The content that arrived is not what was sent.", "Put it again."),
    "FLT-FAB-135": (
        "The content of an artifact is gone or damaged.",
        "Restore the named file from a backup, or put the artifact again.",
    ),
    "FLT-FAB-136": ("Too many artifacts are being received at once.", "Let the others end first."),
    "FLT-FAB-137": ("A content cannot be written.", "Look whether the disk is full or the state folder not yours."),
    "FLT-FAB-138": ("The file that an artifact should go to is there already.", "Add --force to replace it."),
}
