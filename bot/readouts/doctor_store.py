"""What `doctor` says of the configuration's files and of the store: there, ours, sound, room on its disk, backed up, feeds in trouble."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections import Counter
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from bot.desk_names import host_in
from bot.errors import StoreError
from bot.feeds.links import without_credentials
from bot.plurals import counted
from bot.readouts.doctor_owner import account_for, may, unwritable_of
from bot.readouts.findings import Finding, fine, shown_bytes, skipped, unwise, wrong
from bot.store import Store
from bot.store.backup import last_backup
from bot.store.checkup import check_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.config import Config
    from bot.model import Feed
    from bot.store.checkup import FileCheckup

LITTLE_BYTES = 100_000_000
WIDE_NETWORK = 65_536
METADATA = ip_address("169.254.169.254")
TROUBLES = ("failing", "blocked", "limited", "gone", "suspect")
FEEDS_SHOWN = 10
OLD_BACKUP_DAYS = 7
NETWORK_DISKS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs"})
IN_FUTURE = timedelta(minutes=5)


def look_at_configuration(config: Config) -> list[Finding]:
    """Return what is found of a configuration without faults."""
    declared = counted(len(config.feeds), "feed"), counted(len(config.watches), "watch")
    found = [fine("configuration", f"{config.path}: {', '.join(declared)} declared")]
    secret = any("@" in without_scheme(feed.url) for feed in config.feeds) or bool(config.operating.heartbeat)
    if secret and config.path.stat().st_mode & stat.S_IROTH:
        said = f"{config.path} holds a password or a heartbeat address and can be read by everybody on this machine"
        found.append(wrong("configuration", said, f"chmod 640 {config.path}"))
    account = account_for(config.store_path.parent) if config.store_path.parent.is_dir() else None
    if account is not None and not may(account, config.path, os.R_OK):
        advice = f"chgrp it to the group of the user that runs the bot, and chmod 640 {config.path}"
        found.append(wrong("configuration", f"{config.path} may not be read by {account.name}", advice))
    return [*found, *_openness(config)]


def without_scheme(url: str) -> str:
    """Return user, host and port of an address."""
    return url.partition("://")[2].partition("/")[0]


def _openness(config: Config) -> Iterator[Finding]:
    allow = config.fetch.allow_private
    wide = [str(network) for network, _ in allow.networks if network.num_addresses > WIDE_NETWORK]
    if any(METADATA in network for network, _ in allow.networks if network.version == METADATA.version):
        advice = "name the hosts that are meant"
        yield wrong("allow_private", f"opens {METADATA}, where clouds hand out the keys of a machine", advice)
    elif wide:
        yield unwise(
            "allow_private",
            f"opens whole networks: {', '.join(wide)}",
            "name the hosts that are meant, with their ports",
        )
    elif allow:
        entries = len(allow.hosts) + len(allow.networks)
        yield fine("allow_private", f"{entries} {'entry' if entries == 1 else 'entries'}, none of them wide")


async def look_at_store(config: Config) -> tuple[list[Finding], tuple[int, ...]]:
    """Return what is found of the store, and the channels that its watches alert."""
    path = config.store_path
    found = [*_place(path)]
    if path.parent.is_dir() and not os.access(path.parent, os.X_OK):
        return [*found, skipped("database", f"{path.parent} is closed to this user: ask as root")], ()
    if not path.exists():
        return [*found, skipped("database", f"{path} is not there yet: `wirewatch run` creates it")], ()
    try:
        checkup = await asyncio.to_thread(check_file, path)
    except StoreError as error:
        said, _, advice = str(error).partition(": ")
        return [*found, wrong("database", said, advice or "look at the file")], ()
    found += _database(path, checkup)
    if checkup.faults:
        return found, ()
    try:
        store = await Store.open_readonly(path)
    except StoreError as error:
        return [*found, unwise("database", str(error), "nothing is lost")], ()
    try:
        return [*found, *await _contents(store)], await _channels(store)
    finally:
        await store.close()


def _place(path: Path) -> Iterator[Finding]:
    folder = path.parent
    if not folder.is_dir():
        yield wrong("store", f"the directory {folder} does not exist", "create it, or set another [store] url")
        return
    account = account_for(folder)
    for place in unwritable_of(path, account):
        yield wrong("store", f"{place} may not be written by {account.name}", "chown it to the user that runs the bot")
    free = shutil.disk_usage(folder).free
    size = path.stat().st_size if os.access(path, os.F_OK) else 0
    said = f"{shown_bytes(free)} free where the store is"
    if free < LITTLE_BYTES:
        yield wrong("disk", said, "free some space: a full disk loses nothing, but stops the bot")
    elif free < 2 * size:
        yield unwise("disk", said, "free some space: a backup on the same disk needs as much as the store")
    else:
        yield fine("disk", said)
    kind = filesystem_of(folder)
    if kind in NETWORK_DISKS:
        yield wrong(
            "disk",
            f"{folder} is on a network disk ({kind}), where locks cannot be relied on",
            "set [store] url to a local disk",
        )


def filesystem_of(folder: Path) -> str:
    """Return the kind of file system that a folder is on, "" where nobody says. Source: proc(5), mounts."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    mounts = [(Path(words[1].replace("\\040", " ")), words[2]) for words in map(str.split, lines) if len(words) > 2]  # noqa: PLR2004 - device, place, kind
    holding = [(len(place.parts), at, kind) for at, (place, kind) in enumerate(mounts) if folder.is_relative_to(place)]
    return max(holding, default=(0, 0, ""))[2]


def _database(path: Path, checkup: FileCheckup) -> Iterator[Finding]:
    if checkup.faults:
        advice = "stop the bot and restore the latest backup (wirewatch restore FILE)"
        yield wrong("database", f"{path} is damaged ({checkup.faults[0]})", advice)
        return
    log = f" and {shown_bytes(checkup.wal_bytes)} of log" if checkup.wal_bytes else ""
    runs = f", in use by process {checkup.holder}" if checkup.holder else ", no bot runs on it"
    yield fine("database", f"{path}: sound, schema {checkup.schema}, {shown_bytes(checkup.db_bytes)}{log}{runs}")
    yield _backups(last_backup(path))
    if path.stat().st_mode & stat.S_IROTH and path.parent.stat().st_mode & stat.S_IXOTH:
        yield unwise(
            "database",
            f"{path} can be read by everybody on this machine",
            f"chmod 600 {path}, or chmod 700 {path.parent}",
        )


def _backups(last_at: datetime | None) -> Finding:
    advice = "run `wirewatch backup FILE` daily, onto another disk; it works while the bot runs (docs/operating.md)"
    if last_at is None:
        return unwise("backup", "there was none yet", advice)
    days = (datetime.now(UTC) - last_at).days
    if days >= OLD_BACKUP_DAYS:
        return unwise("backup", f"the last was {days} days ago", advice)
    return fine("backup", f"the last was on {last_at:%Y-%m-%d %H:%M} UTC")


async def _contents(store: Store) -> list[Finding]:
    now = datetime.now(UTC)
    ahead, feeds = await store.backlog(), await store.feeds()
    found = [*_feeds([feed for feed in feeds if feed.state != "paused"])]
    owed = f"{counted(ahead.pending, 'alert')} owed, {ahead.sending} on the way or in doubt, {ahead.given_up} given up"
    if ahead.last_poll_at and ahead.last_poll_at > now + IN_FUTURE:
        said = f"the last poll was at {ahead.last_poll_at:%Y-%m-%d %H:%M} UTC, which is still to come"
        found.append(
            wrong("clock", said, "this machine's clock was set back: let it be set by NTP (timedatectl set-ntp true)")
        )
    found.append(fine("alerts", owed))
    if ahead.paused_channels:
        said = f"{counted(ahead.paused_channels, 'channel')} refuse what they are owed"
        found.append(unwise("channels", said, "give the bot access there again; what they are owed waits"))
    return found


def _feeds(feeds: Sequence[Feed]) -> Iterator[Finding]:
    states = Counter(feed.state for feed in feeds)
    ill = [feed for feed in feeds if feed.state in TROUBLES]
    said = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"
    if feeds and len(ill) == len(feeds) > 1:
        yield wrong("feeds", f"none of {len(feeds)} can be read", "look at this machine's network and name server")
    else:
        yield fine("feeds", said)
    for feed in ill[:FEEDS_SHOWN]:
        name = feed.name or host_in(feed.url)
        yield unwise(
            "feed",
            f"{name} ({feed.state}): {without_credentials(feed.last_error)}",
            f"wirewatch feed {host_in(feed.url)}/…",
        )
    if len(ill) > FEEDS_SHOWN:
        yield skipped("feeds", f"{len(ill) - FEEDS_SHOWN} more are in trouble: /feed list state:failing")


async def _channels(store: Store) -> tuple[int, ...]:
    return tuple(watch.thread_id or watch.channel_id for watch in await store.watches() if watch.channel_id)
