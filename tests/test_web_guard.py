"""The guard, put to the numbered vectors of the address rules: literals, other spellings, syntax."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bot.errors import FetchError
from bot.web.guard import (
    AllowList,
    RefusedAddressError,
    check_url,
    public_sockets,
    refusal,
)
from tests.ssrf_vectors import HOSTS
from tests.web_fakes import address_info

NOBODY = AllowList()

REFUSED_ADDRESSES = {
    **{number: host.rstrip(".") for number, host in HOSTS.items() if number.startswith("A")},
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


@pytest.mark.parametrize("number", REFUSED_ADDRESSES)
def test_an_address_that_is_not_public_is_refused(number: str) -> None:
    assert refusal(REFUSED_ADDRESSES[number])


@pytest.mark.parametrize("number", [n for n, a in REFUSED_ADDRESSES.items() if a not in {"", "localhost"}])
def test_the_public_client_opens_no_socket_to_such_an_address_whatever_the_operator_named(number: str) -> None:
    everything = AllowList.parse(["0.0.0.0/0", "localhost", "intranet"])
    with pytest.raises(RefusedAddressError):
        public_sockets(everything)(address_info(REFUSED_ADDRESSES[number]))


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
