# What happens to a job, as server-sent events.
# SPDX-License-Identifier: Apache-2.0
import json

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

BEAT = 15  # seconds between signs of life
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def first_wanted(header):
    """The number after Last-Event-ID, so that a client that comes back goes on where it was."""
    header = header or ""
    return int(header) + 1 if header.isascii() and header.isdigit() and len(header) < 10 else 0


def stream(job, last_event_id, complete):
    """`complete` makes the addresses in an event's fields whole."""

    async def lines():
        async for event in job.follow(first_wanted(last_event_id), BEAT):
            if event is None:
                yield KEEPALIVE_COMMENT
                continue
            number, name, fields = event
            yield format_sse_event(
                data_str=json.dumps(complete(fields)), event=name, id=str(number)
            )

    return EventSourceResponse(lines(), headers=HEADERS)
