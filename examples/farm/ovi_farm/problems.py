# What a client is told when there is no clip: RFC 9457 ("problem details").
# SPDX-License-Identifier: Apache-2.0
import http

from starlette.responses import JSONResponse


class Problem(Exception):
    """`detail` says what is wrong and, where there is one, the way out; it names no secret."""

    def __init__(self, status, code, detail, retry_after=None):
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.retry_after = retry_after

    def body(self):
        title = http.HTTPStatus(self.status).phrase
        return {"type": "about:blank", "title": title, "status": self.status,
                "code": self.code, "detail": self.detail}  # fmt: skip

    def response(self):
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.status == 401:
            headers["WWW-Authenticate"] = 'ApiKey header="x-api-key"'
        return JSONResponse(
            self.body(), self.status, headers, media_type="application/problem+json"
        )
