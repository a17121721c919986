"""What happens once, before the first tick: the record's end is checked, the configuration comes into force."""

from __future__ import annotations

from fleet.config.loader import LoadedConfig
from fleet.core.agent import AgentState
from fleet.core.errors import IntegrityError
from fleet.core.journal import GENESIS, Draft, Entry, Stream, entry_seal, sealed_columns
from fleet.core.principal import Principal, system
from fleet.store import agents, cursors, journal
from fleet.store.db import Database, Tx

TAIL = 500  # entries; the whole chain is for `fleet audit verify`
_CONFIG_KEY = "config.digest"
_ACTOR = str(system("daemon"))


def check_tail(db: Database, *, entries: int = TAIL) -> int:
    """Verify the seals and links of the journal's last entries; how many there were.

    Raises IntegrityError FLT-DMN-014: whatever was written after a fault would only hide it.
    """

    def read(tx: Tx) -> tuple[list[Entry], int]:
        last, _ = journal.head(tx)
        return journal.select(tx, journal.Filter(after=max(0, last - entries - 1)), limit=entries + 1), last

    tail, last = db.read(read)
    first = max(1, last - entries)
    previous, seq = (GENESIS, 0) if first == 1 else ("", first - 1)
    for entry in tail:
        seq += 1
        linked = not previous or entry.prev_hash == previous
        if entry.seq != seq or not linked or entry_seal(entry.prev_hash, sealed_columns(entry)) != entry.hash:
            raise IntegrityError(
                "FLT-DMN-014",
                f"the journal does not fit together at entry {entry.seq}: it was changed from outside",
                where=str(db.path),
                hint="fleet audit verify names the first bad entry; restore a backup, or keep the file as evidence.",
            )
        previous = entry.hash
    return len(tail)


def accept_config(db: Database, loaded: LoadedConfig, owner: Principal) -> None:
    """Bring the agents table in line with the configuration, and journal its hash when it is another one."""
    db.write(lambda tx: _accept(tx, loaded, owner))


def _accept(tx: Tx, loaded: LoadedConfig, owner: Principal) -> None:
    changes = _sync_agents(tx, loaded)
    if cursors.value(tx, _CONFIG_KEY) == loaded.digest and not changes:
        return
    before = cursors.value(tx, _CONFIG_KEY)
    cursors.set_value(tx, _CONFIG_KEY, loaded.digest)
    config = loaded.config
    draft = Draft(
        Stream.DECISION,
        "config.accepted",
        str(owner),
        summary=f"the configuration {loaded.digest[:12]} is in force",
        payload={
            "hash": loaded.digest,
            "before": before,
            "agents": {agent.name: agent.role for agent in config.agents},
            "allow_shared_uid_merge": config.allow_shared_uid_merge,
            "shared_uid_merge_reason": config.shared_uid_merge_reason,
            "warnings": list(loaded.warnings),
        },
    )
    journal.append(tx, draft)


def _sync_agents(tx: Tx, loaded: LoadedConfig) -> int:
    """Rows for members, retirement for who left; a state that a person gave stays. How many changed."""
    known = {row.name: row for row in agents.every(tx)}
    changed = 0
    for member in loaded.config.agents:
        row = known.pop(member.name, None)
        back = row is None or row.state is AgentState.RETIRED
        if row is not None and not back and row.role == member.role:
            continue
        state = AgentState.ACTIVE if row is None or back else row.state
        agents.put(tx, member.name, member.role, state, "" if row is None or back else row.reason)
        _say(tx, member.name, state, f"{member.name} is a member in the role {member.role}")
        changed += 1
    for row in known.values():
        if row.state is not AgentState.RETIRED:
            agents.put(tx, row.name, row.role, AgentState.RETIRED, "no longer in the configuration")
            _say(tx, row.name, AgentState.RETIRED, f"{row.name} is no longer in the configuration")
            changed += 1
    return changed


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


def record_life(db: Database, kind: str, summary: str, facts: dict[str, object]) -> None:
    """``daemon.started`` or ``daemon.stopped``."""
    draft = Draft(Stream.ACTIVITY, kind, _ACTOR, summary=summary, payload=facts)

    def append(tx: Tx) -> None:
        journal.append(tx, draft)

    db.write(append)
