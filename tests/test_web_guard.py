"""The guard, put to the numbered vectors of the address rules: literals, other spellings, DNS answers, syntax, allow_private."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bot.errors import FetchError
from bot.web.guard import (
    AddressInfo,
    AllowList,
    RefusedAddressError,
    asking,
    check_url,
    private_sockets,
    public_sockets,
    refusal,
)

NOBODY = AllowList()

REFUSED_ADDRESSES = {
    "A1": "127.0.0.1",
    "A2": "127.0.0.2",
    "A3": "127.255.255.254",
    "A4": "10.0.0.1",
    "A5": "172.16.0.1",
    "A6": "172.31.255.254",
    "A7": "192.168.0.1",
    "A8": "169.254.169.254",
    "A9": "169.254.170.2",
    "A10": "100.64.0.1",
    "A11": "100.100.100.200",
    "A12": "0.0.0.0",  # noqa: S104  nothing is bound here
    "A13": "0.1.2.3",
    "A14": "192.0.0.192",
    "A15": "192.0.0.8",
    "A16": "198.18.0.1",
    "A17": "192.0.2.1",
    "A18": "198.51.100.1",
    "A19": "203.0.113.1",
    "A20": "192.88.99.1",
    "A21": "224.0.0.1",
    "A22": "239.255.255.250",
    "A23": "240.0.0.1",
    "A24": "255.255.255.255",
    "A25": "168.63.129.16",
    "C1": "::1",
    "C2": "0:0:0:0:0:0:0:1",
    "C3": "::",
    "C4": "::ffff:127.0.0.1",
    "C5": "::ffff:7f00:1",
    "C6": "::ffff:a9fe:a9fe",
    "C7": "::ffff:0:7f00:1",
    "C8": "::127.0.0.1",
    "C9": "64:ff9b::7f00:1",
    "C10": "64:ff9b:1::7f00:1",
    "C11": "2002:7f00:1::",
    "C12": "2001:0:7f00:1::",
    "C13": "fe80::1",
    "C15": "fe80::1%lo",
    "C16": "fc00::1",
    "C17": "fd00:ec2::254",
    "C18": "fec0::1",
    "C19": "ff02::1",
    "C20": "100::1",
    "C21": "2001:db8::1",
    "C22": "3fff::1",
    "C23": "5f00::1",
    "mapped public": "::ffff:8.8.8.8",
    "translated public": "64:ff9b::808:808",
    "scoped public": "2a00::1%eth0",
    "private, last": "172.31.255.255",
    "direct delegation": "192.175.48.6",
    "amt": "192.52.193.1",
    "as112": "192.31.196.1",
    "as112 v6": "2620:4f:8000::1",
    "no address": "localhost",
    "empty": "",
}
PUBLIC_ADDRESSES = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2606:4700::1111",
    "2a00:1450::1",
]


def info(address: str, port: int = 80) -> AddressInfo:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))


def opens(allow: AllowList, url: str, address: str) -> bool:
    """Return whether the private client's factory opens a socket (it never connects) to this answer for this URL."""
    parsed = URL(url)
    with asking(parsed):
        try:
            private_sockets(allow)(info(address, parsed.port or 0)).close()
        except RefusedAddressError:
            return False
    return True


@pytest.mark.parametrize("number", REFUSED_ADDRESSES)
def test_an_address_that_is_not_public_is_refused(number: str) -> None:
    assert refusal(REFUSED_ADDRESSES[number])


@pytest.mark.parametrize("number", [n for n, a in REFUSED_ADDRESSES.items() if a not in {"", "localhost"}])
def test_the_public_client_opens_no_socket_to_such_an_address_whatever_the_operator_named(number: str) -> None:
    everything = AllowList.parse(["0.0.0.0/0", "localhost", "intranet"])
    with pytest.raises(RefusedAddressError):
        public_sockets(everything)(info(REFUSED_ADDRESSES[number]))


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_a_public_address_is_open(address: str) -> None:
    assert refusal(address) is None


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_that_python_calls_private_or_multicast_is_public(address: IPv4Address) -> None:
    if address.is_private or address.is_multicast or address.is_reserved or address.is_loopback:
        assert refusal(str(address))


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_outside_the_public_block_is_refused(address: IPv6Address) -> None:
    if int(address) >> 125 != 1:
        assert refusal(str(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_one_is_refused_in_each_dress(address: IPv4Address) -> None:
    for prefix in ("::", "::ffff:", "::ffff:0:", "64:ff9b::"):
        assert refusal(f"{prefix}{address}")
    assert refusal(str(IPv6Address((0x2002 << 112) | (int(address) << 80))))


# --- what is asked for ------------------------------------------------------------------------------------------------

REFUSED_URLS = {
    "B1": "http://2130706433/",
    "B2": "http://0x7f000001/",
    "B3": "http://0x7f.0x0.0x0.0x1/",
    "B4": "http://0177.0.0.1/",
    "B5": "http://017700000001/",
    "B6": "http://127.1/",
    "B7": "http://127.0.1/",
    "B8": "http://0/",
    "B9": "http://127.000.000.001/",
    "B10": "http://127.0.0.1./",
    "B11": "http://0x7f.1/",
    "B15": "http://%31%32%37.0.0.1/",
    "B16": "http://127.0.0.1%00.example.org/",
    "B17": "http://383.0.0.1/",
    "C14": "http://[fe80::1%25lo]/",
    "C15": "http://[fe80::1%lo]/",
    "C24": "http://[v1.fe80::1]/",
    "E12": "http:\\\\127.0.0.1\\",
    "U1": "file:///etc/passwd",
    "U2": "ftp://feeds.example.org/",
    "U3": "gopher://feeds.example.org/",
    "U4": "dict://feeds.example.org/",
    "U5": "ldap://feeds.example.org/",
    "U6": "unix:/run/some.sock",
    "U7": "http+unix://%2Frun%2Fsome.sock/",
    "U8": "data:text/html,hello",
    "U9": "javascript:alert(1)",
    "U10": "jar:http://feeds.example.org/a.jar!/b",
    "U11": "feed:http://127.0.0.1/",
    "U12": "ws://127.0.0.1/",
    "U13": "//127.0.0.1/",
    "U14": " http://feeds.example.org/",
    "U15": "http://feeds.exa\tmple.org/",
    "U16": "ht\ntp://feeds.example.org/",
    "U20": "http://public.example\\@127.0.0.1/",
    "U21": "http:///127.0.0.1/",
    "U22": "http://feeds.example.org:08811/",
    "U23": "http://feeds.example.org:0/",
    "U24": "http://feeds.example.org:65536/",
    "U25 ssh": "http://feeds.example.org:22/",
    "U25 smtp": "http://feeds.example.org:25/",
    "U25 redis": "http://feeds.example.org:6379/",
    "U25 memcached": "http://feeds.example.org:11211/",
    "trailing space": "http://feeds.example.org/ ",
    "space in the host": "http://feeds example.org/",
    "no-break space": "http://feeds.example.org/\xa0",
    "NUL": "http://feeds.example.org/\x00",
    "half a character": "http://feeds.example.org/\udce9",
    "empty label": "http://feeds..example.org/",
    "long name": f"http://{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.org/",
    "too long": f"http://feeds.example.org/{'a' * 2_048}",
    "empty": "",
    "only a scheme": "http:",
    "no brackets": "http://::1/",
}


@pytest.mark.parametrize("number", REFUSED_URLS)
def test_a_url_in_a_bad_form_is_refused_before_the_client_sees_it(number: str) -> None:
    with pytest.raises(FetchError) as caught:
        check_url(REFUSED_URLS[number], NOBODY)
    assert caught.value.reason == "refused"


LITERALS_IN_DISGUISE = {
    "B12": ("http://１２７.0.0.1/", "127.0.0.1"),
    "B13": ("http://127。0。0。1/", "127.0.0.1"),
    "B14": ("http://①②⑦.⓪.⓪.①/", "127.0.0.1"),
    "D5": ("http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "localhost"),
    "D6": ("http://ｌｏｃａｌｈｏｓｔ/", "localhost"),
    "U17": ("HTTP://127.0.0.1/", "127.0.0.1"),
    "U18": ("http://public.example@127.0.0.1/", "127.0.0.1"),
    "U19": ("http://127.0.0.1#@public.example/", "127.0.0.1"),
}


@pytest.mark.parametrize("number", LITERALS_IN_DISGUISE)
def test_a_disguised_host_is_read_as_the_client_reads_it_so_that_the_socket_guard_judges_it(number: str) -> None:
    url, host = LITERALS_IN_DISGUISE[number]
    assert check_url(url, NOBODY).raw_host == host
    assert refusal(host)


@pytest.mark.parametrize(
    "url",
    [
        "http://feeds.example.org/",
        "HTTPS://feeds.example.org:8443/a b?q=ü&r=%20#part",
        "https://münchen.example/",
        "http://a_b.example:8080/",
        "http://8.8.8.8/",
        "http://[2a00:1450::1]/",
        "http://intranet/",
        "https://user:secret@feeds.example.org/",
        "http://4chan.example/",
    ],
)
def test_an_ordinary_address_passes(url: str) -> None:
    assert check_url(url, NOBODY) == URL(url)


def test_a_link_with_a_password_is_refused_and_the_refusal_keeps_it_to_itself() -> None:
    with pytest.raises(FetchError) as caught:
        check_url("https://user:secret@feeds.example.org/private?token=1", NOBODY, credentials=False)
    assert "feeds.example.org" in str(caught.value)
    assert not any(word in str(caught.value) for word in ("user:", "secret", "private", "token"))


# --- allow_private ----------------------------------------------------------------------------------------------------


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
        public_sockets(allow)(info("10.9.9.9"))


def test_behind_nat64_the_ipv4_address_inside_is_judged() -> None:
    allow = AllowList.parse(["64:ff9b::/96"])
    public_sockets(allow)(info("64:ff9b::8.8.8.8")).close()
    for inside in ("127.0.0.1", "10.0.0.1", "169.254.169.254"):
        address = str(ip_address(f"64:ff9b::{inside}"))
        with pytest.raises(RefusedAddressError):
            public_sockets(allow)(info(address))
        assert not opens(allow, f"http://[{address}]/", address)


def test_only_internet_sockets_are_made() -> None:
    with pytest.raises(RefusedAddressError):
        public_sockets(NOBODY)((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", ("/run/some.sock", 0)))
