"""A configuration comes into force: agents become members or retire, its text becomes a revision, the journal says so.

One transaction, the same for a start, a reload and a change; whoever was interrupted between meaning a change
and its coming into force is settled here too, by what lies in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fleet.config.catalogue import load_roles
from fleet.config.changes import Changes, compare_loaded
from fleet.config.loader import LoadedConfig, parse_config
from fleet.config.ownroles import own_of, roles_with, texts_of
from fleet.core.agent import AgentState
from fleet.core.errors import ConfigError
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal, system
from fleet.fabric.mail import return_to_people
from fleet.store import agents, config_revisions, cursors, journal, risk, runs
from fleet.store.agents import AgentRow
from fleet.store.config_revisions import Revision
from fleet.store.db import Database, Tx
from fleet.store.risk import Quarantine

CONFIG_KEY = "config.digest"
_ACTOR = str(system("daemon"))


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came into force; ``revision`` is 0 when nothing had changed."""

    revision: int
    before: str
    changes: Changes | None


def accept_config(db: Database, loaded: LoadedConfig, owner: Principal, *, reason: str = "") -> Accepted:
    """Bring agents, revisions and journal in line with this configuration.

    ``owner`` is who is taken to have changed the file; where somebody meant exactly this file before and was
    interrupted, it is them.
    """
    return db.write(lambda tx: accept(tx, loaded, str(owner), reason))


def accept(tx: Tx, loaded: LoadedConfig, actor: str, reason: str) -> Accepted:
    """The transaction of ``accept_config``."""
    before = cursors.value(tx, CONFIG_KEY)
    meant = _settle_interrupted(tx, loaded)
    moved = _sync_agents(tx, loaded)
    kept = config_revisions.accepted(tx, 1)  # none in a store that is older than revisions
    if before == loaded.digest and not moved and meant is None and kept:
        return Accepted(0, before, None)
    changes = changes_since(tx, loaded)
    if meant is not None:
        actor, reason, number = meant.actor, meant.reason, meant.number
    else:
        number = config_revisions.intend(
            tx,
            digest=loaded.digest,
            before=before,
            actor=actor,
            reason=reason,
            changes=changes.bounded() if changes is not None else (),
            body=loaded.text,
            roles=texts_of(loaded.roles),
        )
    config_revisions.accept(tx, number)
    cursors.set_value(tx, CONFIG_KEY, loaded.digest)
    _record(tx, loaded, actor, reason, Accepted(number, before, changes))
    return Accepted(number, before, changes)


def changes_since(tx: Tx, loaded: LoadedConfig) -> Changes | None:
    """What this configuration changes compared with the one accepted last; None where that one is not known."""
    old = in_force_before(tx)
    return compare_loaded(old, loaded) if old is not None else None


def known_to_runs(tx: Tx) -> list[LoadedConfig]:
    """The configurations that live runs were dispatched under, as far as they are kept; the oldest first."""
    wanted = {run.config_hash for run in runs.live(tx)}
    kept = [row.number for row in reversed(config_revisions.accepted(tx)) if row.digest in wanted]
    return [loaded for number in kept if (loaded := _kept(tx, number)) is not None]


def in_force_before(tx: Tx) -> LoadedConfig | None:
    """The configuration that was accepted last; None where none is kept, or this program no longer takes it."""
    last = next(iter(config_revisions.accepted(tx, 1)), None)
    return _kept(tx, last.number) if last is not None else None


def _kept(tx: Tx, number: int) -> LoadedConfig | None:
    """The configuration of a revision; None where this program does not take its text any more."""
    try:
        roles = roles_with(load_roles(), config_revisions.roles_of(tx, number))
        return parse_config(config_revisions.text_of(tx, number), name=f"revision {number}", roles=roles)
    except ConfigError:
        return None


def _settle_interrupted(tx: Tx, loaded: LoadedConfig) -> Revision | None:
    """The interrupted change that is in the file after all; the others are written off."""
    found: Revision | None = None
    for revision in config_revisions.intended(tx):
        if revision.digest == loaded.digest:
            found = revision
            continue
        config_revisions.abandon(tx, revision.number)
        draft = Draft(
            Stream.DECISION,
            "config.change_abandoned",
            _ACTOR,
            summary=f"the change {revision.number} of {revision.actor} never reached the file",
            payload={"revision": revision.number, "hash": revision.digest, "actor": revision.actor},
        )
        journal.append(tx, draft)
    return found


def _record(tx: Tx, loaded: LoadedConfig, actor: str, reason: str, accepted: Accepted) -> None:
    config = loaded.config
    draft = Draft(
        Stream.DECISION,
        "config.accepted",
        actor,
        summary=f"the configuration {loaded.digest[:12]} is in force" + (f": {reason}" if reason else ""),
        payload={
            "hash": loaded.digest,
            "before": accepted.before,
            "revision": accepted.revision,
            "reason": reason,
            "changes": accepted.changes.bounded() if accepted.changes is not None else None,
            "agents": {agent.name: agent.role for agent in config.agents},
            "own_roles": {name: role.digest for name, role in own_of(loaded.roles).items()},
            "allow_shared_uid_merge": config.allow_shared_uid_merge,
            "shared_uid_merge_reason": config.shared_uid_merge_reason,
            "warnings": list(loaded.warnings[:100]),
        },
    )
    journal.append(tx, draft)


def _sync_agents(tx: Tx, loaded: LoadedConfig) -> int:
    """Rows for members, retirement for who left; a state that a person gave stays. How many changed."""
    rows = agents.every(tx)
    known = {row.name: row for row in rows}
    heirs = heirs_of(known.values(), {member.name: member.role for member in loaded.config.agents})
    changed = 0
    for member in loaded.config.agents:
        row = known.pop(member.name, None)
        back = row is None or row.state is AgentState.RETIRED
        if row is not None and not back and row.role == member.role:
            continue
        state, reason = (AgentState.ACTIVE, "") if row is None or back else (row.state, row.reason)
        account = heirs.get(member.name, "")
        held = _still_held(tx, rows, member.name, account) if back else None
        if held is not None:
            state, reason = AgentState.QUARANTINED, f"quarantined by {held.actor}: {held.reason}"
        agents.put(tx, member.name, member.role, state, reason, account=account)
        counts = f"; it goes on with the budget of {account}" if account else ""
        _say(tx, member.name, state, f"{member.name} is a member in the role {member.role}{counts}")
        changed += 1
    for row in known.values():
        if row.state is not AgentState.RETIRED:
            agents.put(tx, row.name, row.role, AgentState.RETIRED, "no longer in the configuration")
            _say(tx, row.name, AgentState.RETIRED, f"{row.name} is no longer in the configuration")
            return_to_people(tx, row.name)  # what it did not read
            changed += 1
    return changed


def _still_held(tx: Tx, rows: Iterable[AgentRow], name: str, account: str) -> Quarantine | None:
    """The quarantine that a member comes back into: neither leaving the configuration nor another name is a way out."""
    own = risk.quarantine_of(tx, name)
    if own is not None or not account:
        return own
    before = [risk.quarantine_of(tx, row.name) for row in rows if row.account == account]
    held = next((one for one in before if one is not None), None)
    if held is not None:
        risk.put_quarantine(tx, replace(held, agent=name))
    return held


def heirs_of(rows: Iterable[AgentRow], members: Mapping[str, str]) -> dict[str, str]:
    """Which new agent goes on with whose budget: a new name in a role takes the place of one that left it.

    ``members`` are names and roles of the configuration. The agent that left last comes first, and an account is
    inherited once; so renaming an agent, at once or in two steps, gives it no fresh budget.
    """
    rows = list(rows)
    known = {row.name for row in rows}
    taken = {row.account for row in rows if row.name in members}
    gone = sorted((row for row in rows if row.name not in members), key=lambda row: (-row.updated_at, row.name))
    found: dict[str, str] = {}
    for name, role in members.items():
        if name in known:
            continue
        account = next((row.account for row in gone if row.role == role and row.account not in taken), "")
        if account:
            found[name] = account
            taken.add(account)
    return found


def _say(tx: Tx, name: str, state: AgentState, summary: str) -> None:
    draft = Draft(
        Stream.DECISION,
        "agent.state_changed",
        _ACTOR,
        subject=f"agent/{name}",
        agent=name,
        summary=summary,
        payload={"agent": name, "state": str(state)},
    )
    journal.append(tx, draft)
