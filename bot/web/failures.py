"""What went wrong on the network, as one plain sentence. It names the host, never a path, a query or a password."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp

from bot.errors import FetchError
from bot.web.guard import RefusedAddressError
from bot.web.headers import retry_after_s

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from yarl import URL

_STATUS_WORDS: dict[int, str] = {
    304: "says that nothing changed although it was not asked that",
    401: "wants a user name and a password; put them into the feed's address",
    402: "wants to be paid for this page",
    403: "refuses the bot; ask its publisher, or use another feed",
    404: "has nothing at this address; check the address",
    406: "does not offer what a feed reader can read; check the address",
    410: "says that this address is gone for good; look for a new one",
    429: "asks for fewer requests; it is tried again later",
    451: "may not show this here for legal reasons",
}


@contextmanager
def plain_failures(url: URL) -> Iterator[None]:
    """Turn every error that the client can raise inside the block into a FetchError."""
    host = url.raw_host or "the host"
    try:
        yield
    except TimeoutError as error:
        raise FetchError(f"{host} took too long to answer; it is tried again later.", reason="timeout") from error
    except aiohttp.ClientConnectorDNSError as error:
        raise FetchError(f"The name {host} cannot be resolved; check the address.", reason="dns") from error
    except aiohttp.ClientSSLError as error:
        raise FetchError(
            f"The certificate of {host} cannot be trusted or its encryption failed; check the address and this clock.",
            reason="connect",
        ) from error
    except aiohttp.ClientConnectorError as error:
        raise _not_connected(host, error.os_error) from error
    except aiohttp.InvalidURL:
        raise FetchError(
            "The address cannot be read; it must look like https://host/path.", reason="refused"
        ) from None  # its text is the whole address, query and all
    except aiohttp.ClientPayloadError as error:
        raise FetchError(
            f"The answer of {host} broke off or was damaged; it is tried again later.", reason="connect"
        ) from error
    except aiohttp.ClientResponseError:
        raise FetchError(
            f"{host} did not answer in proper HTTP; check the address.", reason="connect"
        ) from None  # the same
    except (aiohttp.ClientError, OSError, ValueError, EOFError) as error:
        raise FetchError(f"The connection to {host} failed; it is tried again later.", reason="connect") from error


def status_error(host: str, status: int, headers: Mapping[str, str], now: float) -> FetchError:
    """Return the error for a status that brings no document; it carries the server's Retry-After."""
    words = _STATUS_WORDS.get(status)
    if words is None:
        server = status >= 500  # noqa: PLR2004  the class of server errors
        words = "has trouble of its own; it is tried again later" if server else "gave no document; check the address"
    return FetchError(
        f"{host} {words} (HTTP {status}).", reason="status", status=status, retry_after_s=retry_after_s(headers, now)
    )


def too_large(host: str, limit_bytes: int) -> FetchError:
    """Return the error for a body over the limit."""
    return FetchError(
        f"The answer of {host} is larger than {limit_bytes // 1024:,} KiB; such documents are not read.",
        reason="too_large",
    )


def _not_connected(host: str, error: OSError) -> FetchError:
    if isinstance(error, RefusedAddressError):
        return FetchError(
            f"{host} leads to {error.why}, which is not fetched unless whoever runs the bot allows it ([fetch] allow_private).",
            reason="refused",
        )
    return FetchError(f"{host} cannot be reached; it is tried again later.", reason="connect")
