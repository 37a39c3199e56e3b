# Who asks, and how much of the farm one key may take at once.
# SPDX-License-Identifier: Apache-2.0
import collections
import contextlib

from .problems import Problem


class Clients:
    def __init__(self, keys, per_key):
        self.keys, self.per_key = keys, per_key
        self.at_once = collections.Counter()

    def owner(self, request):
        """The name of the key in a request's header; Problem 401 or 403."""
        return self.keys.owner(request.headers.get("x-api-key", ""))

    def take(self, owner, retry_after):
        """A place among those of this key, from the request to its clip; Problem 429. Returns what
        gives it back; a second call of that does nothing."""
        if self.at_once[owner] >= self.per_key:
            raise Problem(429, "key", f"{self.per_key} requests of this key are at work already.",
                          retry_after)  # fmt: skip
        self.at_once[owner] += 1
        place = contextlib.ExitStack()
        place.callback(self._give_back, owner)
        return place

    def _give_back(self, owner):
        self.at_once[owner] -= 1
        if not self.at_once[owner]:
            del self.at_once[owner]
