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
}
