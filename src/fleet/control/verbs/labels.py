"""Calls about the labels that a repository keeps."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb

VERBS = (
    Verb(
        "labels.sync",
        Access.HUMAN,
        (Arg("dry_run", "flag", False),),
        "created[], updated[], unchanged[], blocked[], look_alikes[]",
        patient=True,
    ),
)
