"""Checks of the folders, the disk, the configuration and the daemon of one fleet. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.health.credentials import credential_checks
from fleet.health.words import Check, Config, Daemon, Disk, Folder, Sockets

MEBI = 1 << 20
GIBI = 1 << 30
_WAL_LARGE = 256 * MEBI
_JUMP = 60 * 1_000_000  # microseconds

# Types of the mount table. On a network the locks and the shared memory of SQLite do not hold.
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs", "9p", "davfs",
     "fuse.sshfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.davfs2", "ocfs2", "gfs2", "virtiofs"}
)  # fmt: skip
FLEETING = frozenset({"tmpfs", "ramfs"})


def folder_checks(state: Folder, sockets: Sockets, parts: tuple[Folder, ...]) -> Iterator[Check]:
    """Who may enter the state folder and the sockets' folder, and whether anything in it is missing."""
    yield _private("state", state)
    yield _private("sockets", sockets.folder)
    above = _private("sockets.above", sockets.above)
    if above.state != "ok":
        yield above
    missing = [part.path for part in parts if not part.exists]
    if state.exists and missing:
        why = "Something removed them while the fleet was down, or is still removing things."
        yield Check("state.folders", "warn", f"missing: {', '.join(missing)}", why, "fleet doctor --fix", "folders")
    yield from _socket_paths(sockets)


def _private(name: str, folder: Folder) -> Check:
    why = "Whoever enters it reads the database and the capabilities, and speaks to the daemon."
    if not folder.exists:
        if folder.writable:
            return Check(name, "ok", f"{folder.path} (not there yet; fleet up makes it)")
        why = "fleet up makes it, and may not."
        return Check(name, "fail", f"{folder.path} cannot be made", why, "Make it, or point XDG_STATE_HOME elsewhere.")
    if not folder.is_folder or not folder.ours:
        what = "is not yours" if folder.is_folder else "is no folder"
        return Check(name, "fail", f"{folder.path} {what}", why, "Move it away; fleet up makes a new one.")
    if folder.mode & 0o077:
        found = f"{folder.path} is open to others (mode {folder.mode:04o})"
        return Check(name, "fail", found, why, f"chmod 700 {folder.path}", f"rights:{name}")
    if folder.mode & 0o700 != 0o700:
        found = f"{folder.path} is closed to yourself (mode {folder.mode:04o})"
        return Check(name, "fail", found, "Nothing can be written.", f"chmod 700 {folder.path}", f"rights:{name}")
    return Check(name, "ok", folder.path)


def _socket_paths(sockets: Sockets) -> Iterator[Check]:
    if sockets.longest > sockets.limit:
        why = "A unix socket's path is limited by the kernel."
        found = f"a socket's path has {sockets.longest} bytes, {sockets.limit} are possible"
        yield Check("sockets.path", "fail", found, why, "Set XDG_RUNTIME_DIR to a shorter folder that only you enter.")
    if not sockets.from_environment:
        why = "Without it the sockets lie below /tmp, where a cleaner may remove them after some days."
        fix = "Set XDG_RUNTIME_DIR, then fleet down, fleet up"
        yield Check("sockets.home", "warn", "XDG_RUNTIME_DIR is not set", why, fix)
    elif sockets.under_run_user and not sockets.lingering:
        why = "When you log out, systemd removes the folder with the sockets and may end the daemon."
        yield Check("linger", "warn", "your services end when you log out", why, "loginctl enable-linger")
    else:
        yield Check("sockets.home", "ok", "the sockets' folder stays while you are logged out")


def disk_checks(disk: Disk) -> Iterator[Check]:
    """What kind of file system the state is on, and whether it fills up."""
    where = f"{disk.kind}{f' ({disk.source})' if disk.source else ''}"
    if disk.kind in NETWORK:
        why = "SQLite's locks do not hold on a network: two processes could corrupt the database."
        yield Check(
            "disk.kind", "fail", f"the state folder is on {where}", why, "Point XDG_STATE_HOME at a local disk."
        )
    elif disk.kind in FLEETING:
        why = "Its content is gone after a restart of the machine: the record, and work that was saved."
        fix = "Point XDG_STATE_HOME at a disk, unless this is a trial."
        yield Check("disk.kind", "warn", f"the state folder is on {where}", why, fix)
    elif disk.kind.startswith("fuse"):
        why = "Whether SQLite's locks hold there depends on that program."
        yield Check(
            "disk.kind", "warn", f"the state folder is on {where}", why, "Point XDG_STATE_HOME at a local disk."
        )
    else:
        yield Check("disk.kind", "ok", f"the state folder is on {where}")
    yield _space(disk)
    yield _used(disk)


def _space(disk: Disk) -> Check:
    why = "Without space nothing is written: no decision, no start, no saved work."
    found = f"{size(disk.free)} free of {size(disk.total)}; starts wait below {size(disk.floor)}"
    fix = f"Free space on the disk of {disk.path}, or see what can go: fleet gc"
    if disk.free < disk.floor:
        return Check("disk.free", "fail", found, why, fix)
    if disk.inodes and disk.inodes_free * 100 < disk.inodes:
        return Check("disk.free", "warn", f"{disk.inodes_free} files can still be made", why, fix)
    if disk.free < 2 * disk.floor:
        return Check("disk.free", "warn", found, why, fix)
    return Check("disk.free", "ok", found)


def _used(disk: Disk) -> Check:
    parts = ", ".join(f"{name} {size(amount)}" for name, amount in disk.used.items()) or "nothing yet"
    if disk.used.get("journal to be merged", 0) > _WAL_LARGE:
        why = "Some reader keeps an old view of the database open, so its log cannot be merged."
        return Check("disk.used", "warn", parts, why, "Look for a long fleet log -f or another program on fleet.db")
    return Check("disk.used", "ok", parts)


def size(amount: int) -> str:
    """Bytes as people say them: 512 B, 3.4 MiB, 120 GiB."""
    value = float(amount)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("the last unit takes everything")


def config_checks(config: Config) -> Iterator[Check]:
    """Whether the file is valid, and each of its warnings."""
    if config.error:
        found = "; ".join((config.error, *config.problems[:3]))
        why = "It is taken whole or not at all: the fleet does not start with it."
        yield Check("config", "fail", found, why, "fleet config validate")
        return
    yield Check("config", "ok", f"{config.path}, {config.agents} agents")
    for number, warning in enumerate(config.warnings, 1):
        why = "It is valid, and probably not what you meant."
        yield Check(f"config.warning.{number}", "warn", warning, why, "fleet config validate")
    yield from config.client
    yield from credential_checks(config.credentials)


def daemon_checks(daemon: Daemon, config: Config, now: int = 0) -> Iterator[Check]:
    """Whether the daemon runs, answers, is of this version and works by this configuration."""
    if daemon.pid is None:
        yield Check("daemon", "ok", "none runs; fleet up starts it")
        return
    if not daemon.answers:
        why = "Agents and people wait for it."
        found = f"pid {daemon.pid} does not answer: {daemon.error}"
        yield Check("daemon", "fail", found, why, "fleet down, then fleet up")
        return
    yield Check("daemon", "ok", f"{daemon.version}, pid {daemon.pid}")
    if daemon.version != daemon.program_version:
        why = "The command and the daemon may misunderstand each other."
        found = f"the daemon is {daemon.version}, this command {daemon.program_version}"
        yield Check("daemon.version", "warn", found, why, "fleet restart")
    if not daemon.supervised:
        why = "If it dies, nothing starts it again; agents go on without anybody who takes their work."
        yield Check(
            "daemon.supervisor", "warn", "no supervisor watches over it", why, "fleet down --keep-runs, fleet up"
        )
    if config.digest and daemon.config_digest and config.digest != daemon.config_digest:
        why = "The file was changed since; the daemon works by what it read when it started."
        fix = "fleet reload"
        yield Check("daemon.config", "warn", "the configuration in force is not the file's", why, fix)
    if daemon.services_failing:
        why = "What this service does is not done meanwhile; it is tried again by itself."
        yield Check("daemon.services", "warn", "; ".join(daemon.services_failing), why, "fleet watcher status")
    yield from _forge(daemon, now)
    yield from _hurdles(daemon)
    for found in daemon.pulls_unreadable:
        why = "Nothing starts for this pull request and it is not merged; everything else goes on."
        yield Check("forge.pull", "warn", found, why, "Nothing at first: it is read again by itself")
    if daemon.open_files_limit and daemon.open_files * 5 > daemon.open_files_limit * 4:
        found = f"{daemon.open_files} of {daemon.open_files_limit} descriptors are in use"
        why = "When none is left, no caller is answered and no run starts."
        yield Check("daemon.descriptors", "warn", found, why, "ulimit -n 4096, then fleet down --keep-runs, fleet up")
    yield from _clock_jump(daemon)


def _forge(daemon: Daemon, now: int) -> Iterator[Check]:
    """Whether the forge can be asked, and how many requests of the hour are left."""
    if daemon.forge_trouble:
        why = "Nothing new is seen and nothing starts until it answers; then all that happened meanwhile is caught up."
        yield Check("forge", "fail", f"{daemon.forge}: {daemon.forge_trouble}", why, "fleet status shows the next try")
        return
    if daemon.requests_left < 0:
        if daemon.forge:
            yield Check("forge", "ok", daemon.forge)
        return
    minutes = max(0, daemon.requests_reset_at - now) // 60_000_000
    found = (
        f"{daemon.forge}, {daemon.requests_left} of {daemon.requests_limit} requests left; all again in {minutes} min"
    )
    if daemon.requests_left * 10 < daemon.requests_limit:
        why = "The fleet looks less often until the hour is over. The limit is shared by all that uses this login."
        yield Check("forge", "warn", found, why, "See what else uses the login: gh api rate_limit")
    else:
        yield Check("forge", "ok", found)


def _hurdles(daemon: Daemon) -> Iterator[Check]:
    """What the repository asks that this fleet cannot meet."""
    yield from daemon.hurdles
    if daemon.hurdles_unknown:
        why = "Whether rules of the repository stop the fleet is not known."
        yield Check("forge.rules", "warn", daemon.hurdles_unknown, why, "fleet doctor once more; fleet status")


def _clock_jump(daemon: Daemon) -> Iterator[Check]:
    """The daemon's start by the time since boot and by its own entry differ when somebody set the clock since."""
    if not daemon.started_wall or not daemon.started_recorded:
        return
    jump = daemon.started_wall - daemon.started_recorded
    if abs(jump) > _JUMP:
        seconds = abs(jump) // 1_000_000
        way = "forwards" if jump > 0 else "backwards"
        why = "Ages, leases and schedules are counted by the wall clock."
        yield Check("clock.jump", "warn", f"the clock was set {way} by {seconds} s since the daemon started", why,
                    "Let it be kept by NTP: timedatectl")  # fmt: skip
