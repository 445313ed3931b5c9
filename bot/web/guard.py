"""The guard: which address may be asked for, and which socket may be opened.

It alone decides that. The URL is checked before the client sees it; the address is checked in the socket factory, where literals,
every DNS answer, every redirect and every rebinding must pass. It never resolves a name and never connects.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from yarl import URL

from bot.errors import FetchError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
SocketFactory = Callable[[AddressInfo], socket.socket]

URL_CHARS = 2_048
HOST_CHARS = 253  # of a name; turning a longer one into ASCII takes time by its square
RECEIVED_BYTES = 64 * 1024  # at once: a quarter of a megabyte of one-byte chunks would hold the event loop for 60 ms
PUBLIC_PORTS = frozenset({80, 443, 8080, 8443})

# An own table: `ipaddress.is_global` changes between patch releases of Python and calls multicast and translated addresses global.
# Source: the IANA special-purpose address registries.
_REFUSED_V4: dict[str, str] = {
    "0.0.0.0/8": "this machine",
    "10.0.0.0/8": "a private network",
    "100.64.0.0/10": "a carrier's private network",
    "127.0.0.0/8": "this machine",
    "168.63.129.16/32": "a cloud host's own service",
    "169.254.0.0/16": "a link-local network",
    "172.16.0.0/12": "a private network",
    "192.0.0.0/24": "a reserved network",
    "192.0.2.0/24": "a network for examples",
    "192.31.196.0/24": "a reserved network",
    "192.52.193.0/24": "a reserved network",
    "192.88.99.0/24": "a relay network",
    "192.168.0.0/16": "a private network",
    "192.175.48.0/24": "a reserved network",
    "198.18.0.0/15": "a network for benchmarks",
    "198.51.100.0/24": "a network for examples",
    "203.0.113.0/24": "a network for examples",
    "224.0.0.0/4": "a multicast group",
    "240.0.0.0/4": "a reserved network",
}
_PUBLIC_V6 = IPv6Network("2000::/3")
_REFUSED_V6: dict[str, str] = {
    "2001::/23": "a reserved or tunnelled network",
    "2001:db8::/32": "a network for examples",
    "2002::/16": "a tunnelled IPv4 network",
    "2620:4f:8000::/48": "a reserved network",
    "3fff::/20": "a network for examples",
}
_REFUSED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), why) for network, why in (_REFUSED_V4 | _REFUSED_V6).items()
)
# NAT64 (RFC 6052, RFC 8215): the last 32 bits are the IPv4 address that is really meant.
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
# What a name in allow_private may lead to by itself; anything else (loopback, link-local, metadata) wants its own entry.
_OPENED_BY_NAME: tuple[Network, ...] = tuple(
    map(ip_network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
)
_METADATA: tuple[Network, ...] = tuple(map(ip_network, ("100.100.100.200/32", "fd00:ec2::/32")))
_LOOPBACK: tuple[Network, ...] = tuple(map(ip_network, ("127.0.0.0/8", "::1/128")))

_HOST_NAME = re.compile(r"(?=.{1,253}\.?\Z)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?\Z")
_NUMERIC_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?\Z")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff]")

_REMEMBERED = 1_024  # a poll asks the same of its host half a dozen times

_asked_host: ContextVar[str] = ContextVar("asked_host", default="")


class RefusedAddressError(OSError):
    """The socket factory's no. aiohttp hands it back as `ClientConnectorError.os_error`.

    Its text is the same for every address, so that a host with several refused ones comes back as one refusal.
    """

    def __init__(self, why: str) -> None:
        super().__init__("address refused")
        self.why = why


@dataclass(frozen=True, slots=True)
class AllowList:
    """What the operator opened by `[fetch] allow_private`: names and networks, each for every port (None) or for one."""

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> AllowList:
        """Return the list for entries like "host", "host:port", "10.0.0.5:8080", "[::1]:8080", "10.0.0.0/8".

        Raises:
            ValueError: one sentence that names the bad entry and what is allowed.
        """
        hosts: set[tuple[str, int | None]] = set()
        networks: list[tuple[Network, int | None]] = []
        for entry in entries:
            what, port = _entry_for(entry)
            if isinstance(what, str):
                hosts.add((what, port))
            else:
                networks.append((what, port))
        return cls(frozenset(hosts), tuple(networks))

    def names(self, url: str) -> bool:
        """Return whether the operator named this URL's host for its port; False also for what is no URL. A name is never resolved."""
        try:
            parsed = readable_url(url)
        except ValueError:
            return False
        host, port = _plain_host(parsed), parsed.port
        if not host or port is None:
            return False
        address = _address_for(host)
        if address is not None:
            return self.lists(address, port)
        return (host, None) in self.hosts or (host, port) in self.hosts

    def lists(self, address: Address, port: int) -> bool:
        """Return whether an entry lists this very address, or a network that holds it, for this port."""
        return any(
            address in network and only in {None, port}
            for network, only in self.networks
            if network.version == address.version
        )

    def __bool__(self) -> bool:
        return bool(self.hosts or self.networks)


def check_url(url: str, allow: AllowList, *, credentials: bool = True, limit_chars: int = URL_CHARS) -> URL:
    """Return the URL as the client will read it; nothing is stripped or repaired on the way.

    credentials: whether `user:password@` may stand in it (a configured feed's may, a link's or a redirect's may not).

    Raises:
        FetchError: refused; the text names the host at most, never the path, the query or the password.
    """
    if len(url) > limit_chars:
        raise _refused(f"The address is longer than {limit_chars} characters; use a shorter one.")
    if url != url.strip() or _UNSEEN.search(url):
        raise _refused("The address holds spaces or invisible characters; type it again.")
    try:
        parsed = readable_url(url)
        port = parsed.port
    except ValueError:
        raise _refused("The address cannot be read; it must look like https://host/path.") from None
    if parsed.scheme not in {"http", "https"}:
        raise _refused("Only http:// and https:// addresses are fetched; use one of these.")
    host = _plain_host(parsed)
    if not host or not (_address_for(host) or _is_name(host)):
        raise _refused("The address names no host that can be asked; it must look like https://host/path.")
    if not credentials and (parsed.raw_user is not None or parsed.raw_password is not None):
        raise _refused(f"A link to {host} carries a user name or password; such links are not followed.")
    if port not in PUBLIC_PORTS and not (port and allow.names(url)):
        raise _refused(
            f"Port {port} of {host} is not fetched; only 80, 443, 8080 and 8443 are, or what allow_private lists."
        )
    return parsed


def refusal_of(url: str, allow: AllowList) -> str:
    """Return why this address would not be fetched, one sentence, "" where it may be. No name is resolved: that waits for the connection.

    For addresses that are kept to be asked later; fetching itself asks `check_url` and the socket factories.
    """
    try:
        parsed = check_url(url, allow)
    except FetchError as error:
        return str(error)
    host = _plain_host(parsed)
    address = _address_for(host)
    local = "this machine" if host == "localhost" or host.endswith(".localhost") else None
    why = refusal(str(address)) if address else local
    return (
        f"{host} is {why}, which is not fetched unless [fetch] allow_private lists it."
        if why and not allow.names(url)
        else ""
    )


def readable_url(url: str) -> URL:
    """Return the URL as the client reads it, in a time that its writer cannot choose.

    Raises:
        ValueError: it cannot be read, or its host is longer than any name.
    """
    authority = re.split(r"[/?#\\]", url.partition("//")[2], maxsplit=1)[0]
    if len(authority.rpartition("@")[2]) > HOST_CHARS + len(":65535"):
        raise ValueError("the host is too long")
    return URL(url)


@lru_cache(maxsize=_REMEMBERED)
def refusal(address: str) -> str | None:
    """Return why this IP address may not be connected to, in a few words; None: it is public. What is no address is refused.

    IPv6 is open in 2000::/3 only, so that mapped, translated, link-local, unique-local and multicast addresses fall out.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "not an address"
    for network, why in _REFUSED:
        if network.version == parsed.version and parsed in network:
            return why
    if parsed.version == 6 and (parsed not in _PUBLIC_V6 or parsed.scope_id):  # noqa: PLR2004  an IP version
        return "not a public IPv6 address"
    return None


def public_sockets(allow: AllowList) -> SocketFactory:
    """Return the factory of the public client: public addresses only. Of `allow` it knows only the NAT64 networks."""

    def factory(info: AddressInfo) -> socket.socket:
        address, _ = _destination(info)
        why = refusal(_behind_nat64(address, allow))
        if why:
            raise RefusedAddressError(why)
        return _socket(info)

    return factory


def private_sockets(allow: AllowList) -> SocketFactory:
    """Return the factory of the client for hosts that `allow` names; the host must be given by `asking`."""

    def factory(info: AddressInfo) -> socket.socket:
        address, port = _destination(info)
        meant = _behind_nat64(address, allow)
        why = refusal(meant)
        if why and not _opened(ip_address(meant), port, allow):
            raise RefusedAddressError(why)
        return _socket(info)

    return factory


@contextmanager
def asking(url: URL) -> Iterator[None]:
    """Tell the private factory which host the connections of this block are for."""
    token = _asked_host.set(_plain_host(url))
    try:
        yield
    finally:
        _asked_host.reset(token)


def _socket(info: AddressInfo) -> socket.socket:
    opened = socket.socket(info[0], info[1], info[2])
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)
    return opened


def _opened(address: Address, port: int, allow: AllowList) -> bool:
    """Return whether the operator's entries open a non-public address to the host that is being asked."""
    if allow.lists(address, port):
        return True
    host = _asked_host.get()
    if (host, None) not in allow.hosts and (host, port) not in allow.hosts:
        return False
    if host == "localhost":
        return _within(address, _LOOPBACK)
    return _within(address, _OPENED_BY_NAME) and not _within(address, _METADATA)


def _destination(info: AddressInfo) -> tuple[str, int]:
    family, sockaddr = info[0], info[4]
    if family not in {socket.AF_INET, socket.AF_INET6}:
        raise RefusedAddressError("not an internet address")
    return str(sockaddr[0]), int(sockaddr[1])


def _behind_nat64(address: str, allow: AllowList) -> str:
    """Return the IPv4 address inside a NAT64 address whose network the operator listed, else the address itself."""
    parsed = _address_for(address)
    if not isinstance(parsed, IPv6Address) or not _within(parsed, _TRANSLATED):
        return address
    listed = any(network.version == parsed.version and parsed in network for network, _ in allow.networks)
    return str(IPv4Address(int(parsed) & 0xFFFF_FFFF)) if listed else address


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(network.version == address.version and address in network for network in networks)


def _plain_host(url: URL) -> str:
    """Return the host as it goes to the resolver: ASCII, lower case, no trailing dot; "" where there is none."""
    host = (url.raw_host or "").lower()
    return host if _NUMERIC_END.match(host) else host.removesuffix(".")


def _is_name(host: str) -> bool:
    """Return whether this is a host name; what ends in a number would be an address written otherwise (127.1, 0x7f.1)."""
    return bool(_HOST_NAME.match(host)) and not _NUMERIC_END.match(host)


@lru_cache(maxsize=_REMEMBERED)
def _address_for(host: str) -> Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id else address


def _entry_for(entry: str) -> tuple[str | Network, int | None]:
    """Return what one entry of allow_private opens: a name or a network, and the port or None."""
    bad = ValueError(
        f'allow_private: "{entry}" is not understood; allowed are a host, "host:port", an address, "[IPv6]:port", '
        'or a network such as "10.0.0.0/8"'
    )
    if "/" in entry:
        try:
            return ip_network(entry), None
        except ValueError:
            raise bad from None
    host, port = _split_port(entry, bad)
    address = _address_for(host)
    if address is not None:
        return ip_network(address), port
    try:
        name = _plain_host(URL.build(scheme="http", host=host))
    except ValueError:
        raise bad from None
    if not _is_name(name):
        raise bad
    return name, port


def _split_port(entry: str, bad: ValueError) -> tuple[str, int | None]:
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?", entry)
    plain = re.fullmatch(r"([^:\[\]\s]+)(?::([0-9]{1,5}))?", entry)
    match = bracketed or plain
    if match is None:
        if _address_for(entry) is None:
            raise bad
        return entry, None
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port < 65_536:  # noqa: PLR2004  the range of ports
        raise bad
    return match[1], port


def _refused(message: str) -> FetchError:
    return FetchError(message, reason="refused")
