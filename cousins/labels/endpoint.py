"""Labels by a vision model behind a server that speaks as OpenAI's does: on this machine or not.

POST {url}/chat/completions with the best crop, and an answer that must fit a JSON schema. Only
crops of objects are sent, and the key comes from the environment and goes nowhere else.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from cousins.errors import LabelError, UsageError
from cousins.labels.categories import categories
from cousins.labels.label import LONGEST, Label, Thing, wrong
from cousins.web import PASSING, LongAnswerError, NoAnswerError, fetch, plain, said

LONGEST_WAIT = 30.0  # s that a server may ask for before the next try
MAX_TOKENS = 2000  # of an answer: it takes about 40, and what a model may think before it
JPEG = 90  # quality
ASK = (
    "The picture is cut out of a scan of a room. Name the object in the middle of it. By its shape "
    "it is {shape}, measured. Answer with its label, a short plain noun such as 'coffee mug'; with "
    "the one of these categories that it is of, or null where none fits: {known}; and with your "
    "confidence from 0 to 1 that the label is right."
)


class _Answer(BaseModel):
    label: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    category: str | None
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Wait(Exception):  # noqa: N818
    """A failure that may pass: why, and for how many seconds the server asks for patience."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class _NoSuchPageError(LabelError):
    """The server is there, and does not know this path or this model."""


@dataclass(frozen=True)
class Endpoint:
    """Labels by the model of that name behind `url`, such as ``http://localhost:8000/v1``.

    The key is read from the environment variable `key_env`; a server of one's own needs none.
    timeout: s for one answer; attempts: how often one object is tried; pause: s before the second
    try, doubled for each further one. The confidence is what the model says of itself.
    """

    url: str
    model: str
    key_env: str = "COUSINS_LABELER_KEY"
    timeout: float = 60.0
    attempts: int = 3
    pause: float = 1.0

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            bad = parts.scheme not in ("http", "https") or not parts.hostname
            bad = bad or (parts.port is not None and not parts.port)
        except ValueError:
            raise UsageError(
                "--labeler: not a server's address: give http://HOST:PORT/v1"
            ) from None
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UsageError(
                f"--labeler: the address holds more than a server: put a key into {self.key_env}"
            )
        if bad or not self.url.isprintable() or " " in self.url:
            raise UsageError("--labeler: not a server's address: give http://HOST:PORT/v1")
        if wrong(self.model):
            raise UsageError(f"--label-model: the name {wrong(self.model)}: give the model's name")

    @property
    def source(self) -> str:
        """What a label names as its source."""
        return f"{urlsplit(self.url).netloc}: {self.model}"

    def ready(self) -> None:
        """Raises LabelError where the server cannot be reached or refuses the key."""
        try:
            self._send("models", None)
        except _NoSuchPageError:
            return  # a server need not list its models
        except _Wait as error:
            raise LabelError(
                f"{self.source}: {error}: start the server, or check --labeler"
            ) from None

    def __call__(self, thing: Thing) -> Label | None:
        """Raises LabelError where no answer comes, or none that fits, in all attempts."""
        if not thing.crops:
            return None
        body = json.dumps(_question(self.model, thing)).encode()
        spent: dict[str, float] = {}
        reason, wait = "", 0.0
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(min(LONGEST_WAIT, max(wait, self.pause * 2 ** (attempt - 1))))
            wait = 0.0
            try:
                answer = self._send("chat/completions", body)
                for name, value in _usage(answer).items():
                    spent[name] = spent.get(name, 0.0) + value
                found = _read(answer)
            except _Wait as error:
                reason, wait = str(error), error.seconds
                continue
            return Label(found.label.strip(), self.source, found.confidence, found.category, spent)
        raise LabelError(f"{self.source}: {reason} ({self.attempts} times)")

    def _send(self, path: str, body: bytes | None) -> Any:
        """The answer as JSON. Raises _Wait for a failure that may pass, LabelError for others."""
        key = os.environ.get(self.key_env, "").strip()
        headers = {"Accept": "application/json", "User-Agent": "cousins"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key:
            if not key.isascii() or not key.isprintable():
                raise LabelError(f"{self.key_env} holds no key: it has characters that no key has")
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(f"{self.url.rstrip('/')}/{path}", body, headers)
        try:
            data = fetch(request, self.timeout)
        except urllib.error.HTTPError as error:
            raise self._refused(error, key) from None
        except LongAnswerError as error:
            raise LabelError(f"{self.source}: {error}") from None
        except NoAnswerError as error:
            raise _Wait(_plain(error, key)) from None
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise _Wait("an answer that is no JSON") from None

    def _refused(self, error: urllib.error.HTTPError, key: str) -> Exception:
        code = error.code
        if code in PASSING:
            asked = error.headers.get("Retry-After") or ""
            return _Wait(f"HTTP {code}", float(asked) if re.fullmatch(r"\d{1,4}", asked) else 0.0)
        if 300 <= code < 400:
            return LabelError(
                f"{self.source}: HTTP {code}, a redirect: give the address it leads to"
            )
        if code in (401, 403):
            return LabelError(
                f"{self.source}: HTTP {code}: put the server's key into {self.key_env}"
            )
        words = _plain(said(error), key)
        kind = _NoSuchPageError if code in (404, 405) else LabelError
        return kind(f"{self.source}: HTTP {code}{': ' if words else ''}{words}")


def _question(model: str, thing: Thing) -> dict[str, Any]:
    known = [c.name for c in categories()]
    schema = {
        "type": "object",
        "properties": {
            "label": {"type": "string"},
            "category": {"anyOf": [{"type": "string", "enum": known}, {"type": "null"}]},
            "confidence": {"type": "number"},
        },
        "required": ["label", "category", "confidence"],
        "additionalProperties": False,
    }
    text = ASK.format(shape=thing.shape, known=", ".join(known))
    return {
        "model": model,
        "temperature": 0,
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": text},
            {"type": "image_url", "image_url": {"url": _jpeg(thing.crops[0])}},
        ]}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "label", "strict": True, "schema": schema},
        },
    }  # fmt: skip


def _jpeg(crop: NDArray[np.uint8]) -> str:
    import cv2

    _, data = cv2.imencode(".jpg", crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _read(answer: Any) -> _Answer:
    """The label in a completion. Raises _Wait for one that does not fit: models err by chance."""
    try:
        found = _Answer.model_validate_json(answer["choices"][0]["message"]["content"])
    except (KeyError, IndexError, TypeError):
        raise _Wait("an answer without a message") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _Wait(f"an answer that does not fit ({where or 'JSON'}: {first['msg']})") from None
    reason = wrong(found.label)
    if reason:
        raise _Wait(f"a label that {reason}")
    if found.category is not None and found.category not in {c.name for c in categories()}:
        raise _Wait("a category that is none of those it was given")
    return found


def _usage(answer: Any) -> dict[str, float]:
    """What an answer cost, as far as the server tells: tokens, and money where it does."""
    told = answer.get("usage") if isinstance(answer, dict) else None
    names = {"prompt_tokens": "tokens_in", "completion_tokens": "tokens_out", "cost": "cost"}
    return {
        ours: float(told[theirs])
        for theirs, ours in names.items()
        if isinstance(told, dict)
        and isinstance(told.get(theirs), (int, float))
        and not isinstance(told[theirs], bool)
        and 0 <= told[theirs] < 1e12
        and math.isfinite(told[theirs])
    }


def _plain(text: Any, key: str) -> str:
    """A server's words for a message: one short line, without the key or control characters."""
    line = " ".join(str(text).split())
    return plain(line.replace(key, "***") if key else line)
