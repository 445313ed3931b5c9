"""The configuration: what it gives, and what it says of every fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.config import Config, addresses_for, config_in, config_path, load_config, token_for, warnings_for
from bot.errors import ConfigError
from bot.reading.matcher import Matcher
from bot.toml_table import duration_s, shown_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.model import Actor, Watch, WordForm

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return [str(fault).removeprefix(f"{tmp_path / 'config.toml'}: ") for fault in caught.value.faults]


def test_the_example_is_a_configuration_and_shows_every_default() -> None:
    shown = load_config(EXAMPLE)
    assert shown == config_in({}, EXAMPLE)
    text = EXAMPLE.read_text(encoding="utf-8")
    for key in (
        "token_file",
        "log_channel",
        "url",
        "interval",
        "allow_private",
        "host_gap",
        "full_text",
        "contact",
        "languages",
        "per",
        "late_after",
        "text",
        "records",
    ):
        assert f"\n{key} = " in text


def test_the_commented_examples_are_configurations_too(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    uncommented = "\n".join(
        line.removeprefix("# ")
        for line in text.splitlines()
        if line.startswith(("# [[", "# url", "# name", "# interval", "# aliases", "# query", "# channel", "# mention"))
    )
    config = read(tmp_path, uncommented)
    assert [feed.name for feed in config.feeds] == ["Example News"]
    assert config.feeds[0].interval_s == 600
    assert [alias.text for alias in config.actors[0].aliases] == ["Lukashenka", "Лукашенко"]
    assert config.watches[0].channel_id == 123456789012345678


def test_the_store_lies_beside_its_configuration_unless_the_path_is_absolute(tmp_path: Path) -> None:
    assert read(tmp_path, "").store_path == tmp_path / "wirewatch.db"
    assert read(tmp_path, '[store]\nurl = "sqlite:////var/lib/w.db"').store_path == Path("/var/lib/w.db")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[fetch]\ninterval = "soon"', 'fetch.interval = "soon": a duration such as "90s"'),
        ("[fetch]\ninterval = 5", "fetch.interval = 5: a duration"),
        ('[fetch]\ninterval = "0"', 'fetch.interval = "0": at least 1s'),
        ('[fetch]\nintervall = "5m"', 'fetch.intervall = "5m": unknown key, did you mean interval?'),
        ('[fetch]\nallow_private = ["not a host!"]', "fetch.allow_private = "),
        ('[fetch]\nfull_text = "maybe"', 'fetch.full_text = "maybe": one of "auto", "always", "never"'),
        ('[fetch]\ncontact = "Jürgen\\nX"', "fetch.contact = "),
        ('[alerts]\nper = "day"', 'alerts.per = "day": one of "story", "item"'),
        ('[store]\nurl = "mysql://x"', 'store.url = "mysql://x": a SQLite file'),
        ('[reading]\nlanguages = ["English"]', 'reading.languages = "English": language codes'),
        ("[[feeds]]\nname = 'x'", 'feeds[1].url = "": this is needed'),
        ('[[feeds]]\nurl = "ftp://example.org/x"', 'feeds[1].url = "ftp://example.org/x": '),
        ('[[feeds]]\nurl = "http://user:secret@example.org:22/"', "feeds[1].url = "),
        ("feeds = 3", "feeds = 3: a list of tables: write [[feeds]] above each"),
        ("fetch = 3", "fetch = 3: a table: write [fetch] on a line of its own"),
        (
            '[[watches]]\nname = "W"\nquery = "sanctions OR"',
            'watches[1].query = "sanctions OR": OR needs something on both sides',
        ),
        (
            "[[watches]]\nname = 'W'\nquery = 'actor:Nobody'",
            'watches[1].query = "actor:Nobody": There is no actor "Nobody"',
        ),
        ('[[watches]]\nname = "W"\nquery = "a1b"\nchannel = -1', "watches[1].channel = -1: a whole number"),
        ('[[actors]]\nname = "Ann Lee"\naliases = ["x"]', 'actors[1].aliases = "x": an alias has at least two letters'),
        ("[fetch\n", "syntax = "),
        ("colour = 1", "colour = 1: unknown key"),
    ],
)
def test_a_fault_names_its_key_its_value_and_what_is_allowed(tmp_path: Path, text: str, fault: str) -> None:
    found = faults(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(fault)
    assert "\n" not in found[0]


def test_every_fault_is_found_at_once_and_none_hides_another(tmp_path: Path) -> None:
    text = '[fetch]\ninterval = "x"\nhost_gap = "y"\n[alerts]\nper = "z"\n[[feeds]]\nurl = "http://a.example/"\nfoo = 1'
    assert len(faults(tmp_path, text)) == 4


def test_all_queries_are_compiled_at_once_and_each_fault_names_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[int] = []
    inner = Matcher.compile

    def counted(watches: Sequence[Watch], actors: Sequence[Actor], **more: dict[str, Sequence[WordForm]]) -> Matcher:
        compiled.append(len(watches))
        return inner(watches, actors, forms=more["forms"])

    monkeypatch.setattr(Matcher, "compile", counted)
    queries = ["word", "word OR", "", "word OR", "actor:Nobody", "other"]
    text = "".join(f'[[watches]]\nname = "W{n}"\nquery = "{query}"\n' for n, query in enumerate(queries))
    found = faults(tmp_path, text)
    assert [fault.split(" = ")[0] for fault in found] == [f"watches[{place}].query" for place in (3, 2, 4, 5)]
    assert compiled == [5]


def test_twins_are_faults(tmp_path: Path) -> None:
    feed = '[[feeds]]\nurl = "http://a.example/feed"\n'
    actor = '[[actors]]\nname = "Ann Lee"\n'
    watch = '[[watches]]\nname = "W"\nquery = "word"\n'
    for twice in (feed * 2, actor * 2, watch * 2):
        assert len(faults(tmp_path, twice)) == 1


def test_a_password_in_a_feed_address_is_not_shown(tmp_path: Path) -> None:
    assert "secret" not in "".join(faults(tmp_path, '[[feeds]]\nurl = "http://user:secret@example.org:22/"'))


@pytest.mark.parametrize("data", [b"\xff\xfe", b"\x00", b"a = [" * 2000])
def test_bytes_that_are_no_toml_are_one_fault(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert len(caught.value.faults) == 1


def test_a_missing_file_is_a_fault_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"copy config\.example\.toml"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="unreadable"):
        load_config(tmp_path)


def test_the_path_comes_from_the_option_then_the_environment_then_the_folder() -> None:
    assert config_path("a.toml", {"WIREWATCH_CONFIG": "b.toml"}) == Path("a.toml")
    assert config_path(None, {"WIREWATCH_CONFIG": "b.toml"}) == Path("b.toml")
    assert config_path(None, {}) == Path("config.toml")


def test_what_is_only_unwise_is_a_warning(tmp_path: Path) -> None:
    said = " ".join(
        warnings_for(
            read(
                tmp_path, '[fetch]\ninterval = "1s"\n[[feeds]]\nurl = "http://a.example/feed"\n[[actors]]\nname = "may"'
            )
        )
    )
    assert "not polled more often than every 5m" in said
    assert "no watch is declared" in said
    assert '"may" is typed in small letters' in said


def test_durations_are_read_and_shown() -> None:
    assert [duration_s(text) for text in ("90s", "5m", "6h", "90d", "3y", "0", "1.5h")] == [
        90,
        300,
        21600,
        7776000,
        94608000,
        0,
        5400,
    ]
    assert [duration_s(text) for text in ("", "5", "m", "-5m", "5 moons", "٣s", "1h 5")] == [None] * 7
    assert [duration_s(text) for text in ("5 Minutes", "1h 30m", "2 days", "week")] == [300, 5400, 172800, 604800]
    assert [shown_duration(seconds) for seconds in (300, 7776000, 90, 0.5)] == ["5m", "90d", "90s", "0.5s"]


def test_the_token_comes_from_its_file_else_from_the_environment_and_is_never_said(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" secret.a.b\n", encoding="utf-8")
    filed, bare = (
        Config(path=tmp_path, store_path=tmp_path, token_file=tmp_path / "token"),
        Config(path=tmp_path, store_path=tmp_path),
    )
    assert token_for(filed, {"WIREWATCH_TOKEN": "other"}) == "secret.a.b"
    assert token_for(bare, {"WIREWATCH_TOKEN": "other"}) == "other"
    (tmp_path / "token").write_text("secret and more", encoding="utf-8")
    for config, environ in (
        (filed, {}),
        (bare, {}),
        (bare, {"WIREWATCH_TOKEN": "secret\u0430"}),
        (replace(filed, token_file=tmp_path / "none"), {}),
    ):
        with pytest.raises(ConfigError) as refused:
            token_for(config, environ)
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/api/v10", "http://localhost:1/api", "https://[::1]/api/v10", ""]
)
def test_addresses_on_loopback_stand_in_for_discord(url: str) -> None:
    gateway = url.replace("http", "ws")
    assert addresses_for({"WIREWATCH_DISCORD_API": url, "WIREWATCH_DISCORD_GATEWAY": gateway}) == (url, gateway)


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/api",
        "http://127.0.0.1.example/",
        "ftp://127.0.0.1/",
        "127.0.0.1",
        "http://[::1",
        "//127.0.0.1",
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="WIREWATCH_DISCORD_API"):
        addresses_for({"WIREWATCH_DISCORD_API": url})
    with pytest.raises(ConfigError, match="loopback"):
        addresses_for({"WIREWATCH_DISCORD_GATEWAY": url})
