"""TOML and environment → a frozen `Config`. The only room that knows the file; hands plain values down, opens nothing else.

Every fault is collected, none stops the others: file, key, value, what is allowed. What is only unwise becomes a warning.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from bot.errors import ConfigError, Fault, FetchError
from bot.feeds.links import without_credentials
from bot.model import Actor, Alias, DeclaredFeed, Watch
from bot.operating import Operating, operating_in
from bot.plurals import counted
from bot.reading.matcher import Matcher
from bot.toml_table import Table, duration_s, shown_duration
from bot.web.guard import AllowList, check_url
from bot.web.own_headers import headers_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bot.web.own_headers import Headers

FullText = Literal["auto", "always", "never"]
Per = Literal["story", "item"]

PUBLIC_FLOOR_S = 300.0
PRIVATE_FLOOR_S = 1.0
SQLITE = "sqlite:///"
LANGUAGES = ("en", "ru", "uk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """How feeds and pages are fetched; the keys of `[fetch]`."""

    interval_s: float = PUBLIC_FLOOR_S
    allow_private: AllowList = field(default_factory=lambda: AllowList.parse(()))
    host_gap_s: float = 2.0
    full_text: FullText = "auto"
    contact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration without faults. manager_role: may change things in chat besides who manages a server; 0: nobody else.

    languages: those of word forms.
    """

    path: Path
    store_path: Path
    token_file: Path | None = None
    log_channel: int = 0
    manager_role: int = 0
    fetch: Fetching = field(default_factory=Fetching)
    languages: tuple[str, ...] = LANGUAGES
    per: Per = "story"
    late_after_s: float = 6 * 3600.0
    keep_text_s: float = 90 * 86400.0
    keep_records_s: float = 3 * 365 * 86400.0
    operating: Operating = field(default_factory=Operating)
    feeds: tuple[DeclaredFeed, ...] = ()
    actors: tuple[Actor, ...] = ()
    watches: tuple[Watch, ...] = ()


def config_path(given: str | None, environ: Mapping[str, str]) -> Path:
    """Return the configuration file's path: as given, else `$WIREWATCH_CONFIG`, else `config.toml` in the current folder."""
    return Path(given or environ.get("WIREWATCH_CONFIG") or "config.toml")


def load_config(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: with every fault of the file, at least one.
    """

    def refused(key: str, value: str, allowed: str) -> ConfigError:
        return ConfigError((Fault(str(path), key, value, allowed),))

    try:
        return config_in(tomllib.loads(path.read_bytes().decode("utf-8-sig")), path)
    except FileNotFoundError:
        raise refused("file", "missing", "copy config.example.toml to it, or name another with --config") from None
    except OSError as error:
        raise refused("file", "unreadable", f"{error.strerror}: name a file that can be read") from None
    except UnicodeDecodeError as error:
        raise refused("file", f"byte {error.start}", "TOML is UTF-8: save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise refused("syntax", str(error), "TOML as in config.example.toml") from None
    except RecursionError:
        raise refused("syntax", "nested too deeply", "TOML as in config.example.toml") from None


def config_in(rows: dict[str, object], path: Path) -> Config:
    """Return the configuration that a parsed TOML document describes; `path` names it in faults and anchors relative paths.

    Raises:
        ConfigError: with every fault.
    """
    faults: list[Fault] = []
    top = Table(str(path), "", rows, faults)
    discord, store, alerts, keep, reading = map(top.table, ("discord", "store", "alerts", "keep", "reading"))
    token_file = discord.text("token_file", "")
    fetch = _fetching(top.table("fetch"))
    actors = _actors(top)
    config = Config(
        path=path,
        store_path=_store_path(store, path),
        token_file=path.parent / token_file if token_file else None,
        log_channel=discord.whole("log_channel", 0),
        manager_role=discord.whole("manager_role", 0),
        fetch=fetch,
        languages=_languages(reading),
        per=alerts.choice("per", ("story", "item"), "story"),
        late_after_s=alerts.duration("late_after", "6h", least_s=60),
        keep_text_s=keep.duration("text", "90d", least_s=86400),
        keep_records_s=keep.duration("records", "3y", least_s=90 * 86400),
        operating=operating_in(top.table("operating"), fetch.allow_private),
        feeds=_feeds(top, fetch.allow_private, path.parent),
        actors=actors,
        watches=_watches(top, actors),
    )
    for table in (discord, store, alerts, keep, reading, top):
        table.close()
    if faults:
        raise ConfigError(tuple(faults))
    return config


def token_for(config: Config, environ: Mapping[str, str]) -> str:
    """Return the bot's token: the file's, else systemd's credential, else that of WIREWATCH_TOKEN. It stands in no message of ours.

    Raises:
        ConfigError: there is none, or what is there cannot be one.
    """

    def refused(key: str, value: str, allowed: str) -> ConfigError:
        return ConfigError((Fault(str(config.path), key, value, allowed),))

    place = token_place(config, environ)
    if place is not None:
        try:
            token = place.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise refused("discord.token_file", str(place), f"a readable file with the token ({why})") from None
        key, value = "discord.token_file", str(place)
    else:
        token, key, value = environ.get("WIREWATCH_TOKEN", "").strip(), "WIREWATCH_TOKEN", "(not shown)"
    if not token:
        raise refused(
            "discord.token_file",
            '""',
            "a file with the bot's token, or set WIREWATCH_TOKEN; without Discord: run --terminal",
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise refused(key, value, "one token, without blanks; copy it again from the developer portal")
    return token


def token_place(config: Config, environ: Mapping[str, str]) -> Path | None:
    """Return the file that holds the token: as configured, else the credential `token` that systemd passes (LoadCredential=); else None."""
    if config.token_file is not None:
        return config.token_file
    passed = Path(environ.get("CREDENTIALS_DIRECTORY") or "/nowhere", "token")
    return passed if passed.is_file() else None


def addresses_for(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return what stands in for Discord's own addresses of REST and gateway in tests; "" for Discord itself.

    Raises:
        ConfigError: an address that is not on loopback.
    """
    api, gateway = environ.get("WIREWATCH_DISCORD_API", ""), environ.get("WIREWATCH_DISCORD_GATEWAY", "")
    given = (("WIREWATCH_DISCORD_API", api, "http"), ("WIREWATCH_DISCORD_GATEWAY", gateway, "ws"))
    faults = tuple(
        Fault("environment", name, value, f"an address on loopback: {scheme}://127.0.0.1:PORT/…")
        for name, value, scheme in given
        if value and not _is_loopback(value, {scheme, f"{scheme}s"})
    )
    if faults:
        raise ConfigError(faults)
    return api.rstrip("/"), gateway


def _is_loopback(url: str, schemes: set[str]) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme in schemes and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False


def size_of(config: Config) -> str:
    """Return how much is declared: "1 feed, 2 watches, 0 actors"."""
    counts = (len(config.feeds), "feed"), (len(config.watches), "watch"), (len(config.actors), "actor")
    return ", ".join(counted(count, noun) for count, noun in counts)


def warnings_for(config: Config) -> tuple[str, ...]:
    """Return a sentence for each thing that is allowed but unwise or without effect."""
    said = []
    if not config.feeds:
        said.append("no feed is declared: add [[feeds]] with a url")
    if not config.watches:
        said.append("no watch is declared: add [[watches]] with a name and a query, or nothing will ever alert")
    public = [feed for feed in config.feeds if not config.fetch.allow_private.names(feed.url)]
    if public and config.fetch.interval_s < PUBLIC_FLOOR_S:
        said.append(
            f"fetch.interval = {shown_duration(config.fetch.interval_s)}: feeds outside allow_private are not polled more "
            f"often than every {shown_duration(PUBLIC_FLOOR_S)}"
        )
    said += [
        f"feeds: {without_credentials(feed.url)} is given its secret over http, where the network can read it: use https"
        for feed in public
        if urlsplit(feed.url).scheme.lower() == "http" and (feed.headers or "@" in urlsplit(feed.url).netloc)
    ]
    spellings = [
        (actor.name, text) for actor in config.actors for text in (actor.name, *(alias.text for alias in actor.aliases))
    ]
    said += [
        f'actor "{name}": "{text}" is typed in small letters and alerts wherever that word stands'
        for name, text in spellings
        if text.isalpha() and text.islower()
    ]
    return tuple(said)


def _fetching(table: Table) -> Fetching:
    entries = table.texts("allow_private")
    good = []
    for entry in entries:
        try:
            AllowList.parse((entry,))
            good.append(entry)
        except ValueError as error:
            table.fault("allow_private", entry, str(error))
    fetching = Fetching(
        interval_s=table.duration("interval", "5m", least_s=PRIVATE_FLOOR_S),
        allow_private=AllowList.parse(good),
        host_gap_s=table.duration("host_gap", "2s"),
        full_text=table.choice("full_text", ("auto", "always", "never"), "auto"),
        contact=table.text("contact", ""),
    )
    if not fetching.contact.isprintable() or not fetching.contact.isascii():
        table.fault("contact", fetching.contact, "an address or URL in plain ASCII: it goes into a header")
    table.close()
    return fetching


def _store_path(table: Table, path: Path) -> Path:
    url = table.text("url", "sqlite:///wirewatch.db")
    if not url.startswith(SQLITE) or not url.removeprefix(SQLITE):
        table.fault("url", url, 'a SQLite file: "sqlite:///wirewatch.db", or with four slashes for an absolute path')
        return path.parent / "wirewatch.db"
    return (path.parent / url.removeprefix(SQLITE)).absolute()


def _languages(table: Table) -> tuple[str, ...]:
    languages = table.texts("languages", LANGUAGES)
    for code in languages:
        if not (code.isascii() and code.isalpha() and code.islower() and len(code) in {2, 3}):
            table.fault("languages", code, 'language codes in small letters, such as "en", "ru", "pl"')
    return languages


def _feeds(top: Table, allow: AllowList, folder: Path) -> tuple[DeclaredFeed, ...]:
    feeds, urls = [], set()
    for table in top.tables("feeds"):
        url, name = table.text("url", "", needed=True), table.text("name", "")
        interval_s, headers = _feed_interval_s(table, url, allow), _feed_headers(table, folder)
        table.close()
        try:
            if url:
                check_url(url, allow)
        except FetchError as error:
            table.fault("url", without_credentials(url), str(error))
        if url in urls:
            table.fault("url", without_credentials(url), "this feed is declared twice: remove one")
        urls.add(url)
        feeds.append(DeclaredFeed(url=url, name=name, interval_s=interval_s, headers=headers))
    return tuple(feeds)


def _feed_headers(table: Table, folder: Path) -> Headers:
    """Return the headers of a feed's header file; nothing of what is in it stands in a fault."""
    name = table.text("header_file", "")
    if not name:
        return ()
    try:
        return headers_in((folder / name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        table.fault("header_file", name, f'a readable file with a "Name: value" a line ({why})')
    except ValueError as error:
        table.fault("header_file", name, str(error))
    return ()


def _feed_interval_s(table: Table, url: str, allow: AllowList) -> float | None:
    text = table.text("interval", "")
    if not text:
        return None
    seconds, floor_s = duration_s(text), PRIVATE_FLOOR_S if allow.names(url) else PUBLIC_FLOOR_S
    if seconds is None or seconds < floor_s:
        table.fault("interval", text, f"a duration of at least {shown_duration(floor_s)}")
        return None
    return seconds


def _actors(top: Table) -> tuple[Actor, ...]:
    actors, names = [], set()
    for table in top.tables("actors"):
        name, aliases = table.text("name", "", needed=True), table.texts("aliases")
        table.close()
        if name.casefold() in names:
            table.fault("name", name, "this actor is declared twice: put all aliases under one")
        for alias in aliases:
            if sum(map(str.isalnum, alias)) < 2:  # noqa: PLR2004 - an acronym has two letters at least
                table.fault("aliases", alias, "an alias has at least two letters")
        names.add(name.casefold())
        actors.append(Actor(name=name, aliases=tuple(Alias(text=alias) for alias in dict.fromkeys(aliases))))
    return tuple(actors)


def _watches(top: Table, actors: tuple[Actor, ...]) -> tuple[Watch, ...]:
    read = list(_declared_watches(top.tables("watches")))
    # All at once, since the actors are written out anew for each Matcher; the id says which watch a fault belongs to.
    queries = [replace(watch, id=place) for place, (_, watch) in enumerate(read) if watch.query]
    faults = {watch.id: str(error) for watch, error in Matcher.compile(queries, actors, forms={}).faults}
    names = set()
    for place, (table, watch) in enumerate(read):
        if watch.name.casefold() in names:
            table.fault("name", watch.name, "this watch is declared twice: give each a name of its own")
        names.add(watch.name.casefold())
        if place in faults:
            table.fault("query", watch.query, faults[place])
    return tuple(watch for _, watch in read)


def _declared_watches(tables: Iterable[Table]) -> Iterator[tuple[Table, Watch]]:
    for table in tables:
        watch = Watch(
            name=table.text("name", "", needed=True),
            query=table.text("query", "", needed=True),
            channel_id=table.whole("channel", 0),
            mention=table.whole("mention", 0),
        )
        table.close()
        yield table, watch
