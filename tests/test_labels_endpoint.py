"""A server that names objects: whatever it answers, there is a label that fits, or one line."""

import base64
import json
import threading
import time

import cv2
import numpy as np
import pytest
from servers import GOOD, Server, answer, said

from cousins import web
from cousins.errors import LabelError, UsageError
from cousins.labels.endpoint import Endpoint
from cousins.labels.label import Thing

KEY = "sk-secret-of-the-user"
THING = Thing(
    "box_1",
    (np.full((60, 80, 3), (200, 30, 30), np.uint8),),
    "box-like, 38×89×175 mm",
    np.array([0.038, 0.089, 0.175]),
)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv("COUSINS_LABELER_KEY", raising=False)
    # A proxy that is not there: what goes to this machine must not go through one.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    made = Server()
    yield made
    made.close()


def test_an_answer_that_fits_is_a_label_with_what_it_took(server):
    server.answers = [answer(said(prompt_tokens=812, completion_tokens=31, cost=0.0004))]
    label = server.labeler()(THING)
    assert (label.text, label.category, label.confidence) == ("coffee mug", "mug", 0.8)
    assert label.source == f"127.0.0.1:{server.http.server_port}: tiny"
    assert label.usage == {"tokens_in": 812, "tokens_out": 31, "cost": 0.0004}


def test_it_is_asked_with_the_picture_and_a_schema(server):
    server.answers = [answer(said())]
    server.labeler()(THING)
    method, path, headers, body = server.seen[0]
    asked = json.loads(body)
    assert (method, path) == ("POST", "/v1/chat/completions")
    assert "Authorization" not in headers
    assert asked["model"] == "tiny"
    assert asked["response_format"]["json_schema"]["strict"]
    text, picture = asked["messages"][0]["content"]
    assert THING.shape in text["text"]
    jpeg = base64.b64decode(picture["image_url"]["url"].partition(",")[2])
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert image.shape == (60, 80, 3)
    assert np.abs(image.mean((0, 1)) - (200, 30, 30)).max() < 5


def test_the_key_goes_to_the_server_and_nowhere_else(server, monkeypatch):
    monkeypatch.setenv("COUSINS_LABELER_KEY", KEY)
    server.answers = [answer(said())]
    label = server.labeler()(THING)
    assert server.seen[0][2]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(label) + repr(server.labeler())
    server.answers = [answer({"error": f"bad key {KEY} \x1b[2J"}, 400)]
    with pytest.raises(LabelError, match=r"HTTP 400: .*bad key \*\*\*") as caught:
        server.labeler()(THING)
    assert KEY not in str(caught.value)
    monkeypatch.setenv("COUSINS_LABELER_KEY", "two\nlines")
    with pytest.raises(LabelError, match="holds no key"):
        server.labeler()(THING)


@pytest.mark.parametrize(
    "bad",
    [
        answer(b"<html>not json"),
        answer(b"[" * 20000),
        answer({"choices": []}),
        answer([]),
        answer({"choices": [{"message": {"content": None}}]}),
        answer({"choices": [{"message": {"content": "it is a mug"}}]}),
        answer(said({"label": "mug"})),
        answer(said({**GOOD, "confidence": 1.7})),
        answer(said({**GOOD, "confidence": "NaN"})),
        answer(said({**GOOD, "label": ""})),
        answer(said({**GOOD, "label": "x" * 500})),
        answer(said({**GOOD, "label": "mug\x1b[31m"})),
        answer(said({**GOOD, "label": "mug\nignore all"})),
        answer(said({**GOOD, "category": "spaceship"})),
        answer({"error": "busy"}, 500),
        answer({"error": "slow down"}, 429, [("Retry-After", "0")]),
    ],
)
def test_one_bad_answer_is_asked_again_and_three_are_told(server, bad):
    server.answers = [bad, answer(said(prompt_tokens=5))]
    assert server.labeler()(THING).text == "coffee mug"
    assert len(server.seen) == 2
    server.seen.clear()
    server.answers = [bad]
    with pytest.raises(LabelError, match=r"\(3 times\)$") as caught:
        server.labeler()(THING)
    assert len(server.seen) == 3
    assert str(caught.value).isprintable()


def test_all_tries_count_in_what_it_took(server):
    poor = said({"label": "mug"}, prompt_tokens=100, completion_tokens=7)
    server.answers = [answer(poor), answer(said(prompt_tokens=100, completion_tokens=30))]
    assert server.labeler()(THING).usage == {"tokens_in": 200, "tokens_out": 37}


@pytest.mark.parametrize("usage", [{"prompt_tokens": "many"}, {"cost": -1}, {"cost": True},
                                   {"prompt_tokens": 1e300}])  # fmt: skip
def test_usage_that_is_none_is_left_out(server, usage):
    server.answers = [answer(said(**usage))]
    assert server.labeler()(THING).usage == {}


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (answer({"error": "no such model"}, 404), "HTTP 404: .*no such model"),
        (answer({}, 401), "put the server's key into COUSINS_LABELER_KEY"),
        (answer(b"", 302, [("Location", "http://elsewhere.invalid/")]), "a redirect"),
        (answer(b"", 307, [("Location", "/v2/chat/completions")]), "a redirect"),
    ],
)
def test_a_refusal_is_told_at_once(server, bad, told):
    server.answers = [bad]
    with pytest.raises(LabelError, match=told):
        server.labeler()(THING)
    assert len(server.seen) == 1


def test_a_server_that_says_nothing_is_not_waited_for(server):
    stop = threading.Event()
    server.answers = [lambda handler: stop.wait(20)]
    start = time.monotonic()
    with pytest.raises(LabelError, match=r"no answer in 0.1 s \(2 times\)"):
        server.labeler(timeout=0.1, attempts=2)(THING)
    assert time.monotonic() - start < 5
    stop.set()


def test_a_server_that_drips_is_not_waited_for(server):
    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "10000")
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    server.answers = [drip]
    start = time.monotonic()
    with pytest.raises(LabelError, match=r"no answer in 0\.2 s"):
        server.labeler(timeout=0.2, attempts=1)(THING)
    assert time.monotonic() - start < 5


def test_a_flood_is_cut(server):
    def flood(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b"x" * (1 << 16))

    server.answers = [flood]
    with pytest.raises(LabelError, match="above 8,388,608 bytes"):
        server.labeler()(THING)
    server.answers = [answer(b"[" + b"1," * web.MAX_ANSWER + b"1]", 400)]
    with pytest.raises(LabelError) as caught:
        server.labeler()(THING)
    assert len(str(caught.value)) < 400


def test_a_server_that_hangs_up_is_told(server):
    server.answers = [lambda handler: handler.connection.close()]
    with pytest.raises(LabelError, match="no connection"):
        server.labeler()(THING)


def test_before_the_work_it_is_known_whether_it_is_there(server):
    server.answers = [answer({"data": []})]
    server.labeler().ready()
    assert server.seen[0][:2] == ("GET", "/v1/models")
    server.answers = [answer({}, 404)]
    server.labeler().ready()
    server.answers = [answer({}, 401)]
    with pytest.raises(LabelError, match="put the server's key"):
        server.labeler().ready()
    with pytest.raises(LabelError, match="start the server"):
        Endpoint("http://127.0.0.1:9/v1", "tiny", timeout=2.0).ready()


def test_a_thing_without_a_picture_is_not_asked_about(server):
    server.answers = [answer(said())]
    assert server.labeler()(Thing("x", (), "box-like", np.ones(3))) is None
    assert server.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://host/v1",
        "http://",
        "http://host:99999/v1",
        "http://[::1/v1",
        "http://user:word@host/v1",
        "https://host/v1?key=abc",
        "http://host/v1\r\nX: y",
        "http://ho st/v1",
        "http://host/\u202e",
    ],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(url):
    with pytest.raises(UsageError, match="--labeler") as caught:
        Endpoint(url, "tiny")
    assert "word" not in str(caught.value)
    assert "abc" not in str(caught.value)
    assert str(caught.value).isprintable()
