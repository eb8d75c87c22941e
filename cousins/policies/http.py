"""A policy behind a server, as vision-language-action models are served: POST to its `/act`.

One question for each world whose actions are used up. An answer of several actions is carried out
to its end before the next question. What is said is in `cousins.policies.wire`.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import numpy as np

from cousins.env.episodes import Episodes
from cousins.env.worlds import Ids
from cousins.errors import PolicyError, UsageError
from cousins.policies import Policy, width
from cousins.policies.wire import FORMS, AnswerError, Form, answer, question
from cousins.types import Array
from cousins.web import PASSING, LongAnswerError, NoAnswerError, fetch, plain, said


class Http:
    """Asks the server at `url`. observe: what it is sent, of "state", "rgb", "depth" and
    "segmentation"; extra: what every question says besides. timeout: s for one answer; attempts:
    how often one question is asked; pause: s before the second time, doubled for each further."""

    def __init__(
        self,
        url: str,
        form: Form = "cousins",
        observe: tuple[str, ...] = ("state", "rgb"),
        extra: Mapping[str, Any] | None = None,
        timeout: float = 60.0,
        attempts: int = 3,
        pause: float = 1.0,
    ) -> None:
        self.url, self.observe = url, observe
        self.form: Form = form
        self.extra = dict(extra or {})
        self.timeout, self.attempts, self.pause = timeout, attempts, pause
        self._left: dict[int, Array] = {}  # by world, the actions (T, K) still to be carried out

    def begin(self, episodes: Episodes, ids: Ids) -> None:
        """Forget what was left to do in worlds (k,). Raises UsageError where it is to be sent what
        nobody looks at."""
        lacking = [name for name in self.observe if name not in episodes.seen]
        if lacking:
            raise UsageError(
                f"{self.url}: wants to see {lacking[0]}: observe it, or add ?observe=state"
            )
        for world in ids.tolist():
            self._left.pop(world, None)

    def __call__(self, episodes: Episodes) -> Array:
        """(n, K). Raises PolicyError where the server gives no actions in all attempts."""
        many, out = width(episodes), []
        for world in range(len(episodes.worlds)):
            left = self._left.get(world)
            if left is None or not len(left):
                left = self._ask(episodes, world, many)
            out.append(left[0])
            self._left[world] = left[1:]
        return np.clip(np.array(out), -1, 1)

    def _ask(self, episodes: Episodes, world: int, many: int) -> Array:
        seen = {name: episodes.seen[name] for name in self.observe}
        which = {"episode": str(episodes.seeds[world]), "step": int(episodes.elapsed[world])}
        told = question(self.form, seen, world, episodes.instruction, {**which, **self.extra})
        body, reason = json.dumps(told).encode(), ""
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            try:
                return answer(self._post(body), many)
            except AnswerError as error:
                raise PolicyError(f"{self.url}: its answer {error}") from None
            except NoAnswerError as error:
                reason = plain(str(error))
        raise PolicyError(f"{self.url}: {reason} ({self.attempts} times): start the server")

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "User-Agent": "cousins"}
        asked = urllib.request.Request(self.url, body, headers)
        try:
            return fetch(asked, self.timeout)
        except urllib.error.HTTPError as error:
            if error.code in PASSING:
                raise NoAnswerError(f"HTTP {error.code}") from None
            moved = 300 <= error.code < 400
            what = (
                "a redirect: give the address it leads to"
                if moved
                else plain(said(error)) or "and says no more"
            )
            raise PolicyError(f"{self.url}: HTTP {error.code}, {what}") from None
        except LongAnswerError as error:
            raise PolicyError(f"{self.url}: {error}") from None


def server(text: str) -> Policy:
    """The server at [FORM+]http[s]://HOST:PORT[/PATH][?NAME=VALUE...]; without a path `/act`.

    FORM: "openvla" or "openvla-oft". Of the names, `observe` says what it is sent, as state,rgb;
    the others go along with every question, as `unnorm_key` does to OpenVLA. Raises UsageError for
    what is no such address.
    """
    form, plus, rest = text.partition("+") if "+" in text.partition("://")[0] else ("", "", text)
    bad = f"{text!r:.200}: not a policy server's address: give [openvla+]http://HOST:PORT"
    try:
        parts = urlsplit(rest)
        _ = parts.port
    except ValueError:
        raise UsageError(bad) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.isprintable():
        raise UsageError(bad)
    if parts.username or parts.password or parts.fragment or " " in text:
        raise UsageError(bad)
    if plus and form not in FORMS:
        raise UsageError(f"no form {form!r:.50} of policy servers; there are: {', '.join(FORMS)}")
    extra = dict(parse_qsl(parts.query))
    views = extra.pop("observe", "state,rgb")
    path = parts.path.rstrip("/") or "/act"
    url = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
    observe = tuple(name for name in views.split(",") if name)
    if form.startswith("openvla") and "rgb" not in observe:
        raise UsageError(f"{text:.200}: OpenVLA acts by what it sees: observe rgb")
    return Http(url, form or "cousins", observe, extra)  # type: ignore[arg-type]
