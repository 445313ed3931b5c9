"""`wirewatch doctor`: what it says of a sound installation, of each thing that can be wrong, and that it never says a secret."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from bot.readouts.doctor import look_at_configured
from bot.readouts.doctor_machine import sqlite_verdict
from bot.readouts.doctor_owner import Account, account_for, may, unwritable_of
from bot.readouts.doctor_store import filesystem_of
from bot.readouts.findings import shown_bytes
from bot.store import Store
from bot.store.backup import back_up
from bot.store.checkup import check_file, holder_of
from tests.cli_fakes import wirewatch
from tests.standin import StandIn
from tests.store_fakes import NOW

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bot.readouts.findings import Finding

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde." + "not-a-token" * 4  # nobody's


class Found:
    """What was found, by topic: the worst of each; and whether the configuration is faulty."""

    def __init__(self, found: list[Finding], is_faulty: bool) -> None:  # noqa: FBT001 - as it was returned
        ranked = sorted(found, key=lambda one: ["skipped", "ok", "warning", "wrong"].index(one.state))
        self.by_topic = {one.topic: one for one in ranked}
        self.wrong = [one.line for one in found if one.state == "wrong"]
        self.text = "\n".join(one.line for one in found)
        self.is_faulty = is_faulty

    def said(self, topic: str) -> str:
        return self.by_topic[topic].said

    def state(self, topic: str) -> str:
        return self.by_topic[topic].state


async def look(folder: Path, config: str = "", *, env: Mapping[str, str] | None = None, offline: bool = False) -> Found:
    file = folder / "config.toml"
    if config or not file.exists():
        file.write_text(config, encoding="utf-8")
    return Found(*await look_at_configured(file, env or {}, offline=offline))


async def made_store(folder: Path, *statements: str) -> Path:
    """Make a store, and do these things to it while nobody has it open."""
    path = folder / "wirewatch.db"
    await (await Store.open(path, now=NOW)).close()
    with closing(sqlite3.connect(path)) as sql:
        for statement in statements:
            sql.execute(statement)
        sql.commit()
    return path


def feed_row(name: str, state: str) -> str:
    row = f"'http://ann:hush-hush@{name}.example/', 'a', '{name}', 'config', 0, '{state}', 'it broke'"
    return f"INSERT INTO feeds (url, host, name, origin, added_at, state, last_error) VALUES ({row})"  # noqa: S608 - our own names


# --- as a command ---


def test_a_sound_installation_is_fine_in_json_and_in_words(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    run = wirewatch("doctor", "--json", cwd=tmp_path)
    assert run.returncode == 0
    assert run.stderr == "nothing is wrong with this installation\n"
    answer = json.loads(run.stdout)
    assert answer["ok"] is True
    states = {row["topic"]: row["state"] for row in answer["findings"]}
    assert states["python"] == states["libraries"] == states["workers"] == states["disk"] == "ok"
    assert states["database"] == states["token"] == "skipped"
    people = wirewatch("doctor", cwd=tmp_path)
    assert people.returncode == 0
    assert "start, parse a feed and read a page" in people.stdout


def test_a_faulty_configuration_is_78_and_the_machine_is_looked_at_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        "[fetch]\nbogus = 1\n[operating]\nmetrics = '0.0.0.0:9464'\n", encoding="utf-8"
    )
    run = wirewatch("doctor", "--json", cwd=tmp_path)
    assert run.returncode == 78
    assert [line.partition(" = ")[0] for line in run.stderr.splitlines()] == [
        "configuration: config.toml: fetch.bogus",
        "configuration: config.toml: operating.metrics",
    ]
    assert any(row["topic"] == "workers" and row["state"] == "ok" for row in json.loads(run.stdout)["findings"])


async def test_what_is_wrong_is_1_and_a_line_each_and_whether_it_runs_says_the_lock_alone(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    path = await made_store(tmp_path)
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 4096)
    run = await asyncio.to_thread(wirewatch, "doctor", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith("database: ")
    assert "wirewatch restore" in run.stderr
    assert run.stderr.count("\n") == 1
    resting = await asyncio.to_thread(wirewatch, "doctor", "--running", cwd=tmp_path)
    assert resting.returncode == 1
    assert "no bot runs on" in resting.stderr


# --- the store ---


@pytest.mark.parametrize("how", ["foreign", "noise", "newer"])
async def test_a_database_that_is_not_ours_is_wrong(tmp_path: Path, how: str) -> None:
    path = tmp_path / "wirewatch.db"
    if how == "newer":
        await made_store(tmp_path, "PRAGMA user_version = 9999")
    elif how == "noise":
        path.write_bytes(bytes(range(256)) * 64)
    else:
        with closing(sqlite3.connect(path)) as sql:
            sql.execute("CREATE TABLE theirs (x)")
    found = await look(tmp_path)
    assert found.state("database") == "wrong"
    assert len(found.wrong) == 1


async def test_a_store_in_use_is_looked_at_and_its_holder_named(tmp_path: Path) -> None:
    path = tmp_path / "wirewatch.db"
    assert holder_of(path) == 0
    store = await Store.open(path, now=NOW)
    try:
        assert holder_of(path) == os.getpid()
        found = await look(tmp_path)
        assert f"in use by process {os.getpid()}" in found.said("database")
    finally:
        await store.close()
    assert holder_of(path) == 0
    assert check_file(path).faults == ()


async def test_a_lock_is_known_by_its_inode_and_the_process_in_it_where_the_device_is_shown_otherwise(
    tmp_path: Path,
) -> None:
    path, locks = tmp_path / "wirewatch.db", tmp_path / "locks"
    store = await Store.open(path, now=NOW)
    try:
        inode = (tmp_path / "wirewatch.db.lock").stat().st_ino
        found = []
        for pid in (os.getpid(), os.getpid() + 1):
            locks.write_text(f"1: FLOCK  ADVISORY  WRITE {pid} 00:fff:{inode} 0 EOF\n", encoding="ascii")
            found.append(holder_of(path, locks=str(locks)))
    finally:
        await store.close()
    assert found == [os.getpid(), 0]


async def test_a_store_in_no_folder_is_wrong(tmp_path: Path) -> None:
    found = await look(tmp_path, "[store]\nurl = 'sqlite:///nowhere/w.db'\n")
    assert "does not exist" in found.said("store")


async def test_the_last_backup_is_known_and_a_missing_or_old_one_is_said(tmp_path: Path) -> None:
    path = await made_store(tmp_path)
    assert (await look(tmp_path)).said("backup") == "there was none yet"
    back_up(path, tmp_path / "b.db")
    assert (await look(tmp_path)).state("backup") == "ok"
    month_ago_s = time.time() - 30.5 * 86400
    os.utime(tmp_path / "wirewatch.db.backed-up", (month_ago_s, month_ago_s))
    assert (await look(tmp_path)).said("backup") == "the last was 30 days ago"


async def test_a_clock_behind_what_the_store_remembers_is_wrong(tmp_path: Path) -> None:
    await made_store(tmp_path, feed_row("One", "ok"), "UPDATE feeds SET last_poll_at = 9000000000000")
    found = await look(tmp_path)
    assert "was set back" in found.by_topic["clock"].advice


async def test_feeds_in_trouble_are_named_without_their_passwords(tmp_path: Path) -> None:
    path = await made_store(tmp_path, feed_row("One", "failing"), feed_row("Two", "ok"))
    some = await look(tmp_path)
    assert some.said("feed") == "One (failing): it broke"
    assert some.wrong == []
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("UPDATE feeds SET state = 'failing'")
        sql.commit()
    none = await look(tmp_path)
    assert none.said("feeds") == "none of 2 can be read"
    assert "hush" not in some.text + none.text


# --- files and networks ---


def test_what_the_user_that_runs_the_bot_may_not_write_is_named_whoever_asks(tmp_path: Path) -> None:
    path, lock, mine = tmp_path / "w.db", tmp_path / "w.db.lock", tmp_path.stat()
    for place, mode in ((tmp_path, 0o755), (path, 0o660), (lock, 0o600)):
        if place != tmp_path:
            place.touch()
        place.chmod(mode)
    other = Account("other", mine.st_uid + 1, frozenset({mine.st_gid}))
    assert set(unwritable_of(path, other)) == {tmp_path, lock}
    assert set(unwritable_of(path, replace(other, gids=frozenset()))) == {tmp_path, path, lock}
    assert may(other, path, os.R_OK | os.W_OK)
    assert not may(other, path, os.X_OK)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
async def test_root_is_told_what_the_units_user_may_not_read_or_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = tmp_path / "wirewatch.service"
    unit.write_text("[Service]\nUser=daemon\n", encoding="utf-8")
    monkeypatch.setattr("bot.readouts.doctor_store.account_for", partial(account_for, unit=unit))
    (tmp_path / "store").mkdir()
    path = await made_store(tmp_path / "store")
    daemon = pwd.getpwnam("daemon").pw_uid
    for one in (tmp_path / "store", path):
        os.chown(one, daemon, -1)
    config = tmp_path / "config.toml"
    config.write_text("[store]\nurl = 'sqlite:///store/wirewatch.db'\n", encoding="utf-8")
    config.chmod(0o600)
    found = await look(tmp_path)
    assert found.said("store") == f"{path}.lock may not be written by daemon"
    assert found.said("configuration") == f"{config} may not be read by daemon"
    os.chown(f"{path}.lock", daemon, -1)
    config.chmod(0o644)
    assert (await look(tmp_path)).wrong == []


async def test_secrets_that_everybody_can_read_are_wrong_and_never_shown(tmp_path: Path) -> None:
    token, config = tmp_path / "token", tmp_path / "config.toml"
    token.write_text(TOKEN, encoding="utf-8")
    token.chmod(0o644)
    named = "[discord]\ntoken_file = 'token'\n[[feeds]]\nurl = 'https://ann:hush-hush@example.org/feed'\n"
    found = await look(tmp_path, named, offline=True)
    assert found.state("token file") == found.state("configuration") == "wrong"
    assert found.said("token") == "has the shape of a bot's token, of the bot 123456789012345678"
    for file in (token, config):
        file.chmod(0o600)
    mended = await look(tmp_path, offline=True)
    assert mended.wrong == []
    assert not any(one in found.text + mended.text for one in (TOKEN, "hush-hush"))


async def test_a_heartbeat_address_is_a_secret_too(tmp_path: Path) -> None:
    found = await look(tmp_path, "[operating]\nheartbeat = 'https://example.org/hush-hush'\n")
    assert found.state("configuration") == "wrong"
    faulty = await look(tmp_path, "[operating]\nheartbeat = 'https://example.org:7/hush-hush'\n")
    assert faulty.is_faulty
    assert "operating.heartbeat" in faulty.text
    assert "hush-hush" not in found.text + faulty.text


async def test_a_token_that_is_none_is_said_without_showing_it(tmp_path: Path) -> None:
    found = await look(tmp_path, offline=True, env={"WIREWATCH_TOKEN": "just-a-password"})
    assert "has not the shape" in found.said("token")
    assert "just-a-password" not in found.text


async def test_a_credential_of_systemd_is_the_token(tmp_path: Path) -> None:
    passed = tmp_path / "credentials"
    passed.mkdir()
    (passed / "token").write_text(TOKEN, encoding="utf-8")
    (passed / "token").chmod(0o400)
    found = await look(tmp_path, offline=True, env={"CREDENTIALS_DIRECTORY": str(passed)})
    assert found.said("token file").startswith(str(passed / "token"))


async def test_a_token_file_that_cannot_be_read_is_a_faulty_configuration(tmp_path: Path) -> None:
    found = await look(tmp_path, "[discord]\ntoken_file = 'gone'\n")
    assert found.is_faulty
    assert "discord.token_file" in found.text


async def test_private_networks_that_are_opened_wide_are_said(tmp_path: Path) -> None:
    states = [
        (await look(tmp_path, f"[fetch]\nallow_private = ['{entry}']\n")).state("allow_private")
        for entry in ("127.0.0.1:80", "10.0.0.0/8", "169.254.0.0/16")
    ]
    assert states == ["ok", "warning", "wrong"]


# --- Discord ---


async def ask(folder: Path, discord: StandIn, *channels: int) -> Found:
    """Look, with a Discord of our own to ask, and watches on these channels."""
    watches = "".join(f"[[watches]]\nname = 'w{id_}'\nquery = '=Minsk'\nchannel = {id_}\n" for id_ in channels)
    return await look(folder, f"[discord]\nlog_channel = {discord.log.id}\n{watches}", env=discord.environment)


async def test_it_asks_discord_for_the_token_the_clock_and_each_channel(tmp_path: Path) -> None:
    async with StandIn() as discord:
        thread = discord.add_thread(discord.alerts, "a thread")
        found = await ask(tmp_path, discord, discord.alerts.id, thread.id)
        assert found.wrong == []
        assert discord.world.bot.name in found.said("discord")
        assert found.state("clock") == "ok"
        for place in (discord.alerts, discord.log, thread):
            assert found.state(f"channel {place.id}") == "ok"
        assert discord.token not in found.text
        assert discord.violations == []


async def test_a_missing_permission_a_lost_channel_and_a_forum_are_each_wrong(tmp_path: Path) -> None:
    async with StandIn() as discord:
        forum = discord.add_channel(discord.guild, "questions", "forum")
        discord.deny(discord.alerts, "EMBED_LINKS", "READ_MESSAGE_HISTORY")
        found = await ask(tmp_path, discord, discord.alerts.id, 4711, forum.id)
        assert found.said(f"channel {discord.alerts.id}").endswith("Embed Links, Read Message History")
        assert found.said("channel 4711") == "there is no such channel"
        assert "no text channel" in found.said(f"channel {forum.id}")
        assert len(found.wrong) == 3


async def test_a_channel_that_a_watch_of_chat_alerts_is_asked_for_too(tmp_path: Path) -> None:
    async with StandIn() as discord:
        columns = "name, query, channel_id, thread_id, mention, origin, added_at"
        watch = f"INSERT INTO watches ({columns}) VALUES ('w', '=Minsk', 4711, 0, 0, 'chat', 0)"  # noqa: S608 - our own
        await made_store(tmp_path, watch)
        assert (await ask(tmp_path, discord)).said("channel 4711") == "there is no such channel"


async def test_a_refused_token_and_a_discord_that_is_away_are_wrong(tmp_path: Path) -> None:
    async with StandIn() as discord:
        discord.token_revoked = True
        found = await ask(tmp_path, discord)
        assert found.said("discord") == "Discord does not know the token"
    assert "cannot be reached" in (await ask(tmp_path, discord)).said("discord")


# --- the rest ---


def test_the_verdict_on_sqlite_follows_its_version() -> None:
    states = [sqlite_verdict(number).state for number in ("3.36.0", "3.40.1", "3.51.2", "3.51.3", "3.53.0")]
    assert states == ["wrong", "warning", "warning", "ok", "ok"]


def test_sizes_and_file_systems_are_read_as_people_write_them(tmp_path: Path) -> None:
    sizes = [shown_bytes(count) for count in (512, 4096, 37_000_000, 1.24e9, 3e12)]
    assert sizes == ["512 B", "4.1 kB", "37 MB", "1.2 GB", "3000 GB"]
    assert filesystem_of(tmp_path)
