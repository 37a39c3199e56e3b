# Strangers at the front: many slow clients, and those who mean harm.
# SPDX-License-Identifier: Apache-2.0
import contextlib
import json
import socket
import threading
import time

import requests

import farm_model

SLOW = 200


def connect(farm):
    return socket.create_connection(("127.0.0.1", farm.port), timeout=10)


def head(farm, length=None, path="/v1/ovi-i2v", key=None, more=""):
    text = f"POST {path} HTTP/1.1\r\nHost: farm\r\nx-api-key: {key or farm.keys['bert']}\r\n{more}"
    if length is not None:
        text += f"Content-Length: {length}\r\n"
    return text.encode()


def raw(farm, data):
    """What is answered to these bytes."""
    with connect(farm) as one:
        one.sendall(data)
        one.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(OSError):
            while piece := one.recv(65536):
                answer += piece
        return answer


def test_many_slow_clients(farm, client):
    """Half of them drip a body, half not even end their headers; the others are answered as ever."""
    stop = threading.Event()
    with contextlib.ExitStack() as held:
        slow = [held.enter_context(connect(farm)) for _ in range(SLOW)]
        for number, one in enumerate(slow):
            one.sendall(head(farm, 100000) + (b"\r\n{" if number % 2 else b""))

        def drip():
            while not stop.wait(0.5):
                for one in slow:
                    with contextlib.suppress(OSError):
                        one.sendall(b" ")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            waits = []
            for _ in range(20):
                began = time.monotonic()
                assert requests.get(farm.url + "/v1/health", timeout=10).status_code == 200
                waits.append(time.monotonic() - began)
            answer = client.ask(seed=1)
            assert answer.status_code == 200, answer.text
        finally:
            stop.set()
            dripping.join()
    print(f"{SLOW} slow clients: health in {sorted(waits)[10]:.3f} s, at most {max(waits):.3f} s")
    assert sorted(waits)[10] < 2
    assert client.ask().status_code == 200, "and after them"


def test_hostile_bytes(farm, client):
    """Each is answered with 4xx or hung up on; none ends the front, none gets a clip."""
    key = farm.keys["bert"]
    body = json.dumps({"image": farm_model.IMAGE_URI, "prompt": "x"}).encode()
    cases = {
        "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00" + bytes(range(256)),
        "endless header": b"GET / HTTP/1.1\r\nX: " + b"a" * 300000,
        "no length": head(farm) + b"\r\n",
        "negative length": head(farm, -1) + b"\r\n" + body,
        "two lengths": head(farm, 3) + b"Content-Length: 4\r\n\r\n{}{}",
        "length and chunks": head(farm, 3) + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "bad chunks": head(farm) + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        "cut short": head(farm, len(body)) + b"\r\n" + body[:1000],
        "length of a petabyte": head(farm, 10**15) + b"\r\n{",
        "null in a header": head(farm, 2, more="X-A: a\0b\r\n") + b"\r\n{}",
        "key with a line break": head(farm, 2, key=key + "\n x: y") + b"\r\n{}",
        "key of other bytes": head(farm, 2, key="\x80\xff") + b"\r\n{}",
        "path of other bytes": head(farm, 2, "/v1/\xff\xfe/..;/x") + b"\r\n{}",
        "absolute path": head(farm, 2, "http://169.254.169.254/latest") + b"\r\n{}",
        "two dots": head(farm, 2, "/v1/jobs/../../../etc/passwd") + b"\r\n{}",
    }
    for name, data in cases.items():
        answer = raw(farm, data)
        first = answer.split(b"\r\n", 1)[0]
        assert not answer or first.split(b" ")[1][:1] == b"4", (name, first)
    assert client.ask().status_code == 200


def test_nothing_of_a_request_is_a_header(client):
    """No field of a request, and no name in an address, gets into the head of an answer."""
    answer = client.ask({"Accept": "video/mp4", "X-Request-Id": "abc"},
                        prompt="a\r\nSet-Cookie: a=b\r\n\r\n" + farm_model.PROMPT)  # fmt: skip
    assert answer.status_code == 200 and "set-cookie" not in answer.headers
    assert "content-disposition" not in answer.headers
    answer = client.get(client.url + "/v1/clips/x%0d%0aSet-Cookie:%20a=b.mp4")
    assert answer.status_code == 404 and "set-cookie" not in answer.headers


def test_huge_body_is_refused_at_once(farm, client):
    began = time.monotonic()
    answer = raw(farm, head(farm, 1 << 34) + b"\r\n{")
    assert b" 413 " in answer.split(b"\r\n", 1)[0] and time.monotonic() - began < 20
    endless = (b" " * (1 << 20) for _ in range(40))
    answer = requests.post(farm.url + "/v1/ovi-i2v", data=endless, headers=client.headers, timeout=60)
    assert answer.status_code == 413
