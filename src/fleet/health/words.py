"""What a check says, and the facts that checks are made on. Facts are gathered once; a test writes its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. ``id`` is stable; ``fix`` is what to type, ``mend`` what --fix would do."""

    id: str
    state: State
    found: str
    why: str = ""
    fix: str = ""
    mend: str = ""

    def as_dict(self) -> dict[str, object]:
        """The check as doors print it."""
        return {
            "id": self.id,
            "state": self.state,
            "found": self.found,
            "why": self.why,
            "fix": self.fix,
            "mendable": bool(self.mend),
        }


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine and this installation. Versions are what the program said, "" when it could not be asked."""

    system: str = "Linux"
    release: str = "6.1.0"
    program: str = ""  # version and place of fleet
    python: str = ""
    sqlite: str = ""
    git: str = ""
    tmux: str = ""
    gh: str = ""
    gh_login: bool = False
    bytecode: bool = True
    bytecode_off: bool = False  # PYTHONDONTWRITEBYTECODE is set
    package: str = ""  # folder of the package
    package_writable: bool = True
    interpreter: str = "python3"
    descriptors_soft: int = 1024
    descriptors_hard: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as it lies there. ``mode`` is its permission bits, ``writable`` for a missing one its parent's."""

    path: str
    exists: bool = True
    is_folder: bool = True
    ours: bool = True
    mode: int = 0o700
    writable: bool = True


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system below a folder: its type and source by the mount table, space in bytes."""

    path: str
    kind: str = "ext4"
    source: str = ""
    free: int = 1 << 40
    total: int = 1 << 41
    floor: int = 500_000_000  # below it nothing new starts
    inodes_free: int = 1 << 20
    inodes: int = 1 << 21
    used: Mapping[str, int] = field(default_factory=dict)  # parts of the state folder, bytes


@dataclass(frozen=True, slots=True)
class Sockets:
    """Where the fleet's sockets lie."""

    folder: Folder
    above: Folder = Folder("/r")  # the folder of all fleets' sockets
    longest: int = 60  # bytes of the longest path
    limit: int = 100
    from_environment: bool = True  # XDG_RUNTIME_DIR is set
    lingering: bool = True
    under_run_user: bool = False  # systemd removes it when the user logs out


@dataclass(frozen=True, slots=True)
class Git:
    """Git in the person's checkout."""

    name: str = ""
    email: str = ""
    base: str = "main"
    base_exists: bool = True


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration file: faults and warnings as lines, or the number of agents."""

    path: str = ".fleet/config.yaml"
    agents: int = 0
    error: str = ""
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    digest: str = ""
    credentials: tuple[tuple[str, tuple[str, ...]], ...] = ()  # kind, and the agents that use it
    client: tuple[Check, ...] = ()  # what was found of Claude Code, where agents need it


@dataclass(frozen=True, slots=True)
class Daemon:
    """The daemon as its locks and its answers show it."""

    pid: int | None = None
    supervised: bool = False
    answers: bool = False
    error: str = ""
    version: str = ""
    program_version: str = ""
    config_digest: str = ""
    open_files: int = 0
    open_files_limit: int = 0
    services_failing: tuple[str, ...] = ()
    forge: str = ""  # its kind, and which repository
    forge_trouble: str = ""
    pulls_unreadable: tuple[str, ...] = ()  # that the forge names and git cannot read
    requests_left: int = -1  # of the forge's hourly limit; -1: it has none, or did not say yet
    requests_limit: int = -1
    requests_reset_at: int = 0  # microseconds
    hurdles: tuple[Check, ...] = ()  # what the forge asks that this fleet cannot meet
    hurdles_unknown: str = ""  # why the forge could not be asked for them
    started_wall: int = 0  # by the wall clock of now and the time since boot; microseconds
    started_recorded: int = 0  # as the journal says


@dataclass(frozen=True, slots=True)
class Record:
    """The end of the journal and the runs, read without writing. ``error`` when it cannot be read."""

    exists: bool = False
    error: str = ""
    code: str = ""
    entries: int = 0
    checked: int = 0
    last_at: int = 0
    future: int = 0  # entries that are stamped later than now, among those checked
    schema: int = 0
    live_sessions: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()  # sessions that stand still, each with why


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What earlier processes left behind."""

    stale_socket: str = ""
    stale_tmux: str = ""
    lost_server: int = 0  # pid of a terminal server that lives without its socket
    idle_server: int = 0  # pid of one that no daemon uses and in which nothing runs
    orphan_sessions: tuple[str, ...] = ()
    orphan_shims: tuple[int, ...] = ()
    kept_clones: tuple[str, ...] = ()
    unsaved: tuple[str, ...] = ()  # run folders whose work could not be saved
    half_restore: str = ""  # the marker of a restore that is under way, or was killed


@dataclass(frozen=True, slots=True)
class Ways:
    """What this machine offers to a process that wants out of its run's tree."""

    programs: frozenset[str] = frozenset()
    running: frozenset[str] = frozenset()  # names of running processes
    ptrace_scope: int | None = None  # of the yama module; None without it
    user_bus: bool = False
    ssh_listens: bool = False
    docker_socket: bool = False
    other_terminals: int = 0  # terminal servers of this user that are not this fleet's
    mode: str = "shared-uid"


@dataclass(frozen=True, slots=True)
class Place:
    """All facts about one fleet."""

    state: Folder
    disk: Disk
    sockets: Sockets
    git: Git
    config: Config
    daemon: Daemon
    record: Record
    leftovers: Leftovers
    parts: tuple[Folder, ...] = ()  # folders that a working state folder has
    now: int = 0
