"""Asking a server that the user named: what is sent goes there and nowhere else."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

MAX_ANSWER = 8 << 20  # bytes; a list of all models of a large provider is a tenth of it
PASSING = {408, 429, 500, 502, 503, 504}  # HTTP's codes for what may be gone at the next try
HERE = ("localhost", "127.0.0.1", "::1")


class NoAnswerError(Exception):
    """No answer came, and why: the next try may get one."""


class LongAnswerError(Exception):
    """An answer of more than MAX_ANSWER bytes."""

    def __init__(self) -> None:
        super().__init__(f"an answer above {MAX_ANSWER:,} bytes")


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def fetch(request: urllib.request.Request, timeout: float) -> bytes:
    """The body of the answer, all of which is there in `timeout` s.

    Raises urllib's HTTPError for what the server refuses, NoAnswerError where there is no
    connection or no answer in time, LongAnswerError for one that is too long.
    """
    handlers: list[Any] = [_Stay()]
    if urlsplit(request.full_url).hostname in HERE:
        handlers.append(urllib.request.ProxyHandler({}))  # a proxy would seek it on itself
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as response:
            return _bounded(response, timeout)
    except urllib.error.HTTPError:
        raise
    except (urllib.error.URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise NoAnswerError(f"no answer in {timeout:g} s") from None
        raise NoAnswerError(f"no connection ({' '.join(str(reason).split())})") from None


def said(error: urllib.error.HTTPError) -> str:
    """What a server that refused says of it: its first bytes, or nothing."""
    try:
        return error.read(2000).decode("utf-8", "replace")
    except (OSError, HTTPException):
        return ""


def plain(text: str) -> str:
    """A server's words for a message: one short line, without control characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:200]


def _bounded(response: Any, timeout: float) -> bytes:
    """A socket's own time-out starts anew with each byte that comes."""
    end, data = time.monotonic() + timeout, b""
    while chunk := response.read1(1 << 16):
        data += chunk
        if len(data) > MAX_ANSWER:
            raise LongAnswerError
        if time.monotonic() > end:
            raise TimeoutError
    return data
