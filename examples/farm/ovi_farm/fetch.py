# Fetches a picture for a stranger without lending out the network that the front stands in.
# SPDX-License-Identifier: Apache-2.0
import asyncio
import urllib.parse

import aiohttp

from .addresses import Forbidden, make_socket
from .problems import Problem

MOST_REDIRECTIONS = 3
PIECE = 65536


def wrong(what):
    return Problem(400, "image", f"The image cannot be fetched: {what}.")


class Fetcher:
    """No proxy, no cookies, no credentials, no decompression, no redirection to another scheme."""

    def __init__(self, settings):
        self.settings = settings

    async def fetch(self, address):
        """The bytes behind an http(s) address; Problem 400 says why not."""
        try:
            async with asyncio.timeout(self.settings.image_seconds):
                return await self._follow(address)
        except TimeoutError:
            raise wrong(f"it takes longer than {self.settings.image_seconds:g} s") from None
        except Forbidden as forbidden:
            raise wrong(str(forbidden)) from None
        except (aiohttp.ClientError, ValueError, OSError):
            # What the network said about an address is nothing for strangers.
            raise wrong("no server answers there as it should") from None

    async def _follow(self, address):
        scheme = urllib.parse.urlsplit(address).scheme.lower()
        connector = aiohttp.TCPConnector(
            use_dns_cache=False,
            socket_factory=make_socket(self.settings.private_addresses, self.settings.image_ports),
        )
        async with aiohttp.ClientSession(
            connector=connector, trust_env=False, auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "ovi-farm"},
        ) as session:  # fmt: skip
            for _ in range(MOST_REDIRECTIONS + 1):
                parts = urllib.parse.urlsplit(address)
                if parts.scheme.lower() != scheme:
                    raise Forbidden("its server redirects to another scheme")
                if parts.username is not None or parts.password is not None:
                    raise Forbidden("its address has a name or a password")
                async with session.get(address, allow_redirects=False) as answer:
                    if answer.status in (301, 302, 303, 307, 308):
                        address = urllib.parse.urljoin(address, answer.headers.get("Location", ""))
                        continue
                    if answer.status != 200:
                        raise Forbidden(f"its server answers with {answer.status}")
                    return await self._read(answer)
        raise Forbidden(f"its server redirects more than {MOST_REDIRECTIONS} times")

    async def _read(self, answer):
        most = self.settings.image_bytes
        if (answer.content_length or 0) > most:
            raise Forbidden(f"it is larger than {most} bytes")
        data = bytearray()
        async for piece in answer.content.iter_chunked(PIECE):
            data += piece
            if len(data) > most:
                raise Forbidden(f"it is larger than {most} bytes")
        return bytes(data)
