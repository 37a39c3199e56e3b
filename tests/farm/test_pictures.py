# Pictures from strangers: schemes, data: URIs, and what the front may not be made to fetch.
# SPDX-License-Identifier: Apache-2.0
import asyncio
import base64
import socket

import pytest
from aiohttp import web

import demo
from ovi_farm import addresses
from ovi_farm.fetch import Fetcher
from ovi_farm.pictures import Pictures, kind_of
from ovi_farm.problems import Problem
from ovi_farm.settings import Settings

PNG = demo.IMAGE.read_bytes()


def settings(**changes):
    return Settings(model="m", keys="k", **changes)


def take(uri, **changes):
    made = settings(**changes)
    return asyncio.run(Pictures(made, Fetcher(made)).take(uri))


def refused(uri, **changes):
    with pytest.raises(Problem) as told:
        take(uri, **changes)
    assert told.value.status == 400
    return told.value.detail


def test_data():
    packed = base64.b64encode(PNG).decode()
    taken = take("data:image/png;base64," + packed)
    assert taken == "data:image/png;base64," + packed
    # The kind is what the bytes say; a stranger's words are not passed on.
    assert take("data:text/html;x=\"'y\";BASE64," + packed) == taken
    assert take("DATA:;base64," + packed.replace("+", "%2B").replace("=", "%3D")) == taken
    assert take("data:," + "".join(f"%{byte:02x}" for byte in PNG)) == taken


@pytest.mark.parametrize("uri", [
    "data:", "data:image/png;base64", "data:image/png;base64,", "data:image/png;base64,!!!!",
    "data:image/png;base64,AAA", "data:,hello", "data:text/plain;base64,PHN2Zz4=",
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>", "data:;base64,\u00e9",
    "", "x", "/etc/passwd", "file:///etc/passwd", "FILE:///etc/passwd", "http://example.com/a.png",
    "gopher://x", "rtsp://x", "ovi:?model=/", "javascript:alert(1)", "data", "https", ":", "https//x",
])  # fmt: skip
def test_no_picture(uri):
    told = refused(uri)
    assert not uri or len(uri) < 8 or uri not in told


def test_limits():
    packed = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert "larger" in refused(packed, image_bytes=len(PNG) - 1)
    assert take(packed, image_bytes=len(PNG))


def test_kinds():
    heads = {"jpeg": b"\xff\xd8\xff\xe0", "png": PNG, "gif": b"GIF89a", "webp": b"RIFF\n\n\0\0WEBPVP8 ",
             "tiff": b"II*\0", "bmp": b"BM6", "avif": b"\0\0\0\x20ftypavif", "heic": b"\0\0\0\x20ftypheic"}  # fmt: skip
    for kind, data in heads.items():
        assert kind_of(data) == kind
    for data in (b"", b"\0\0\0\x20ftypisom", b"\x1aE\xdf\xa3", b"<svg", b"#EXTM3U", b"PK\3\4"):
        assert kind_of(data) is None


@pytest.mark.parametrize("address, public", [
    ("93.184.215.14", True), ("2606:2800:21f:cb07::1", True), ("64:ff9b::5db8:d70e", True),
    ("127.0.0.1", False), ("127.8.8.8", False), ("0.0.0.0", False), ("10.1.2.3", False),
    ("172.16.0.1", False), ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
    ("192.0.0.8", False), ("198.18.0.1", False), ("224.0.0.1", False), ("240.0.0.1", False),
    ("255.255.255.255", False), ("::", False), ("::1", False), ("fe80::1%eth0", False), ("fc00::1", False),
    ("fd00:ec2::254", False), ("ff02::1", False), ("::ffff:127.0.0.1", False), ("::ffff:10.0.0.1", False),
    ("::127.0.0.1", False), ("2002:7f00:1::", False), ("2002:a9fe:a9fe::", False),
    ("64:ff9b::7f00:1", False), ("64:ff9b::a9fe:a9fe", False), ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
    ("2001:db8::1", False),
])  # fmt: skip
def test_addresses(address, public):
    assert addresses.is_public(address) is public


class Server:
    """A server of pictures on this machine; `asked` are the paths that came."""

    async def __aenter__(self):
        self.asked = []
        site = web.Application()
        site.router.add_get("/{path:.*}", self.answer)
        self.runner = web.AppRunner(site, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        listener = web.TCPSite(self.runner, "127.0.0.1", 0)
        await listener.start()
        self.port = self.runner.addresses[0][1]
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()

    async def answer(self, request):
        path = request.match_info["path"]
        self.asked.append(path)
        if path == "picture.png":
            return web.Response(body=PNG)
        if path.startswith("to/"):
            return web.Response(status=302, headers={"Location": request.query["at"]})
        if path.startswith("loop"):
            return web.Response(status=307, headers={"Location": f"/loop{len(self.asked)}"})
        if path == "endless":
            answer = web.StreamResponse()
            await answer.prepare(request)
            while True:
                await answer.write(PNG[:65536])
        if path == "bomb":
            return web.Response(body=b"\x1f\x8b" + bytes(100), headers={"Content-Encoding": "gzip"})
        if path == "slow":
            await asyncio.sleep(30)
        return web.Response(status=404)


def fetch(path, host="127.0.0.1", **changes):
    """(bytes or why not, paths that the server was asked for)"""

    async def run():
        async with Server() as server:
            here = {"image_schemes": {"http"}, "image_ports": {server.port}, "image_seconds": 5}
            made = settings(**{**here, **changes})
            address = f"http://{host}:{server.port}/" + path.replace("PORT", str(server.port))
            try:
                return await Fetcher(made).fetch(address), server.asked
            except Problem as problem:
                return problem.detail, server.asked

    return asyncio.run(run())


def test_fetch():
    assert fetch("picture.png", private_addresses=True) == (PNG, ["picture.png"])
    assert fetch("to/?at=/picture.png", private_addresses=True)[0] == PNG
    for path, told in (("nothing", "404"), ("loop", "redirects more"), ("endless", "larger"),
                       ("to/?at=https://127.0.0.1:PORT/picture.png", "another scheme"),
                       ("to/?at=file:///etc/passwd", "another scheme"),
                       ("to/?at=http://user:secret@127.0.0.1:PORT/picture.png", "password")):  # fmt: skip
        assert told in fetch(path, private_addresses=True)[0], path
    assert "1 s" in fetch("slow", private_addresses=True, image_seconds=1)[0]
    # Nothing is inflated.
    assert len(fetch("bomb", private_addresses=True)[0]) == 102
    assert "port" in fetch("picture.png", private_addresses=True, image_ports={443})[0]


def test_no_private_address():
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f.1",
                 "0"):  # fmt: skip
        told, asked = fetch("picture.png", host)
        assert isinstance(told, str) and asked == [], (host, told)
    # The network's own words are nothing for strangers.
    assert "refused" not in fetch("x", "localhost")[0].lower()


def names(monkeypatch, *answers):
    """What picture.example resolves to, from one look-up to the next."""
    left = list(answers)
    asked = []
    real = socket.getaddrinfo

    def resolve(host, port, *rest, **more):
        if host != "picture.example":
            return real(host, port, *rest, **more)
        asked.append(host)
        address = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_name_of_a_private_address(monkeypatch):
    names(monkeypatch, "127.0.0.1")
    told, asked = fetch("picture.png", "picture.example")
    assert "public Internet" in told and asked == []


def test_rebinding(monkeypatch):
    """The name is public when one looks first, and private when one looks again: the socket is made
    for the address that was checked, and each connection is checked."""
    made = []
    real = addresses.make_socket

    def spy(*arguments):
        make = real(*arguments)

        def checked(info):
            made.append(info[4][0])
            return make(info)

        return checked

    monkeypatch.setattr("ovi_farm.fetch.make_socket", spy)
    asked_names = names(monkeypatch, "192.0.2.1", "127.0.0.1")
    monkeypatch.setattr(addresses, "is_public", lambda text: text == "192.0.2.1")
    told, asked = fetch("picture.png", "picture.example", image_seconds=1)
    assert isinstance(told, str) and asked == []
    assert made == ["192.0.2.1"], made
    assert len(asked_names) == 1, "looked up again between check and use"
    # Now it is private: the second request gets no further.
    told, asked = fetch("picture.png", "picture.example", image_seconds=1)
    assert "public Internet" in told and asked == [] and made == ["192.0.2.1", "127.0.0.1"]


def test_redirection_to_a_private_address(monkeypatch):
    monkeypatch.setattr(addresses, "is_public", lambda text: text == "127.0.0.1")
    told, asked = fetch("to/?at=http://127.0.0.2:PORT/picture.png")
    assert "public Internet" in told and asked == ["to/"]
