"""allow_private: what an operator opens, for whom, and what stays shut all the same (vectors H1 and H2, NAT64)."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest
from yarl import URL

from bot.errors import FetchError
from bot.web.guard import AllowList, RefusedAddressError, asking, check_url, private_sockets, public_sockets
from tests.web_fakes import address_info


def opens(allow: AllowList, url: str, address: str) -> bool:
    """Return whether the private client's factory opens a socket (it never connects) to this answer for this URL."""
    parsed = URL(url)
    with asking(parsed):
        try:
            private_sockets(allow)(address_info(address, parsed.port or 0)).close()
        except RefusedAddressError:
            return False
    return True


def test_entries_name_hosts_addresses_and_networks_each_for_one_port_or_all() -> None:
    allow = AllowList.parse(
        ["intranet", "Bridge.Example:8811", "10.0.0.5:8080", "[::1]:8081", "fd00::/8", "192.168.1.7"]
    )
    named = [
        "http://intranet/",
        "http://INTRANET.:4711/",
        "http://bridge.example:8811/feed",
        "http://10.0.0.5:8080/",
        "http://[::1]:8081/",
        "http://[fd12::1]:9999/",
        "http://192.168.1.7:1/",
        "https://user:pw@intranet/",
    ]
    unnamed = [
        "http://intranet.example/",
        "http://bridge.example/",
        "http://10.0.0.5/",
        "http://10.0.0.5:22/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.5]:8080/",
        "http://intranet@evil.example/",
        "ftp://",
        "http://h:99999/",
        "",
    ]
    assert [url for url in named if not allow.names(url)] == []
    assert [url for url in unnamed if allow.names(url)] == []
    assert allow
    assert not AllowList.parse([])


@pytest.mark.parametrize(
    "entry",
    [
        "",
        " ",
        "http://intranet/",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "*.intranet",
        "host:0",
        "host:65536",
        "host:x",
        "host:",
        "127.1",
        "[::1",
        "[::1]x",
        "[intranet]:80",
        "fe80::1%eth0",
        "a b",
        "intranet/feed",
        "::1:99999:x",
    ],
)
def test_a_bad_entry_is_named_together_with_what_is_allowed(entry: str) -> None:
    with pytest.raises(ValueError, match="allowed are a host") as caught:
        AllowList.parse(["intranet", entry])
    assert f'"{entry}"' in str(caught.value)


def test_a_port_that_the_operator_named_is_open_for_that_host_only() -> None:
    allow = AllowList.parse(["10.0.0.5:9090", "bridge"])
    assert check_url("http://10.0.0.5:9090/", allow)
    assert check_url("http://bridge:6379/", allow)
    for url in ("http://10.0.0.5:22/", "http://10.0.0.6:9090/", "http://feeds.example.org:9090/"):
        with pytest.raises(FetchError):
            check_url(url, allow)


def test_h1_an_entry_with_a_port_opens_only_that_port() -> None:
    allow = AllowList.parse(["10.0.0.5:8080"])
    assert opens(allow, "http://10.0.0.5:8080/", "10.0.0.5")
    assert not opens(allow, "http://10.0.0.5:22/", "10.0.0.5")
    assert not opens(allow, "http://10.0.0.6:8080/", "10.0.0.6")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "192.0.0.192",
        "0.0.0.0",  # noqa: S104  nothing is bound here
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00:ec2::254",
    ],
)
def test_h2_an_allowed_name_leads_to_no_loopback_link_local_or_metadata_address_unless_that_is_listed(
    address: str,
) -> None:
    assert not opens(AllowList.parse(["intranet"]), "http://intranet/", address)
    assert opens(AllowList.parse(["intranet", address]), "http://intranet/", address)


def test_an_allowed_name_leads_to_private_and_to_public_addresses() -> None:
    allow = AllowList.parse(["intranet:80"])
    for address in ("10.1.2.3", "192.168.7.7", "172.20.0.1", "100.64.0.9", "fd12::1", "8.8.8.8"):
        assert opens(allow, "http://intranet/", address)
        assert opens(allow, "http://intranet./", address)
    assert not opens(allow, "http://intranet:8080/", "10.1.2.3")
    assert not opens(allow, "http://other/", "10.1.2.3")


def test_localhost_leads_to_loopback_and_nowhere_else_private() -> None:
    allow = AllowList.parse(["localhost:8080"])
    assert opens(allow, "http://localhost:8080/", "127.0.0.1")
    assert opens(allow, "http://localhost:8080/", "::1")
    assert not opens(allow, "http://localhost:8080/", "10.0.0.1")
    assert not opens(allow, "http://localhost:8081/", "127.0.0.1")


def test_a_network_entry_opens_no_name_that_a_stranger_points_into_it() -> None:
    allow = AllowList.parse(["10.0.0.0/8"])
    assert allow.names("http://10.9.9.9/")
    assert not allow.names("http://evil.example/")
    with pytest.raises(RefusedAddressError):
        public_sockets(allow)(address_info("10.9.9.9"))


def test_behind_nat64_the_ipv4_address_inside_is_judged() -> None:
    allow = AllowList.parse(["64:ff9b::/96"])
    public_sockets(allow)(address_info("64:ff9b::8.8.8.8")).close()
    for inside in ("127.0.0.1", "10.0.0.1", "169.254.169.254"):
        address = str(ip_address(f"64:ff9b::{inside}"))
        with pytest.raises(RefusedAddressError):
            public_sockets(allow)(address_info(address))
        assert not opens(allow, f"http://[{address}]/", address)


def test_only_internet_sockets_are_made() -> None:
    with pytest.raises(RefusedAddressError):
        public_sockets(AllowList())((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", ("/run/some.sock", 0)))
