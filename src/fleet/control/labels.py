"""Verb about the labels that a repository keeps: those of the fleet are made there, none is ever deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fleet.config.gate import GateConfig
from fleet.config.model import FleetConfig
from fleet.control.context import Context, Handlers
from fleet.core.journal import Draft, Stream
from fleet.core.label import OWN, LabelNames
from fleet.core.principal import Principal
from fleet.forge.labelplan import LabelPlan, plan
from fleet.store import journal


def sync(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Make the labels that the fleet uses, and say which others only look like them.

    Each is made by itself and what is there is left alone, so that a sync that was cut short is done again. Raises
    Refused FLT-GHB-005 where our login may not.
    """
    config, forge = ctx.loaded.config, ctx.forge
    names = LabelNames(config.label_prefix if forge.keeps_labels else "")
    own = [replace(one, name=names.outside(one.name)) for one in OWN]
    found = plan(own, _named(config, names), forge.kept_labels(), names, caseless=forge.keeps_labels)
    if not forge.keeps_labels:
        found = replace(found, create=(), update=(), same=())
    elif not args["dry_run"]:
        for label in (*found.create, *found.update):
            forge.keep_label(label)
        _record(ctx, principal, found)
    return {
        "forge": forge.name,
        "keeps_labels": forge.keeps_labels,
        "dry_run": args["dry_run"],
        "created": [one.name for one in found.create],
        "updated": [one.name for one in found.update],
        "unchanged": list(found.same),
        "blocked": list(found.blocked),
        "look_alikes": [
            {"label": one.name, "of": one.of, "why": one.why, "blocks": one.blocks} for one in found.look_alikes
        ],
    }


def _named(config: FleetConfig, names: LabelNames) -> Iterator[str]:
    """People's own labels that the configuration speaks of."""
    if config.required_label:
        yield names.outside(config.required_label)
    for agent in config.agents:
        for label in _of_gate(agent.subscription_gate):
            yield names.outside(label)


def _of_gate(gate: GateConfig | None) -> Iterator[str]:
    if gate is None:
        return
    if gate.label is not None:
        yield gate.label
    for one in gate.inside:
        yield from _of_gate(one)


def _record(ctx: Context, principal: Principal, found: LabelPlan) -> None:
    """What was made; nothing where nothing was."""
    if not found.create and not found.update:
        return
    created, updated = ([one.name for one in part] for part in (found.create, found.update))
    draft = Draft(
        Stream.ACTIVITY,
        "labels.synced",
        str(principal),
        summary=f"labels made: {', '.join(created) or 'none'}; changed: {', '.join(updated) or 'none'}",
        payload={"created": created, "updated": updated},
    )
    ctx.db.write(lambda tx: journal.append(tx, draft))


HANDLERS: Handlers = {"labels.sync": sync}
