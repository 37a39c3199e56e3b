# Which addresses the front may connect to for a picture.
# SPDX-License-Identifier: Apache-2.0
"""The check is made where a connection's socket is made, on the very address that is connected to:
whatever a name resolved to before, and wherever a redirection leads, there is no second look-up
between check and use (DNS rebinding)."""
import ipaddress
import socket

NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Forbidden(Exception):
    """An address that the front does not connect to. No OSError: the next address is not tried."""


def is_public(text):
    """Whether a numeric address is one of the public Internet; IPv4 inside IPv6 counts as what it is."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if address.version == 6:
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo:
            return False
        if address in NAT64:
            inner = ipaddress.ip_address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if int(address) < 1 << 32:  # ::a.b.c.d, long deprecated
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def make_socket(allow_private, ports):
    """A factory of sockets for aiohttp's connector."""

    def make(address_info):
        family, kind, protocol, _, address = address_info
        if address[1] not in ports:
            raise Forbidden(f"port {address[1]} is not among those for pictures")
        if not allow_private and not is_public(address[0]):
            raise Forbidden("it is not at an address of the public Internet")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    return make
