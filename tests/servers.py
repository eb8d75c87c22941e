"""A server on this machine that names objects, as one of OpenAI's kind does."""

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cousins.labels.endpoint import Endpoint

GOOD = {"label": "coffee mug", "category": "mug", "confidence": 0.8}


def said(content=None, **usage):
    text = json.dumps(GOOD if content is None else content)
    return {"choices": [{"message": {"content": text}}], "usage": usage}


class Server:
    """A real server on this machine that gives the answers it was told, one after the other."""

    def __init__(self):
        self.answers, self.seen = [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(None)

            def do_POST(self):
                self.answer(self.rfile.read(int(self.headers["Content-Length"])))

            def answer(self, body):
                outer.seen.append((self.command, self.path, dict(self.headers), body))
                answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                with suppress(OSError):  # the client has gone
                    answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def labeler(self, **settings):
        return Endpoint(self.url, "tiny", **{"timeout": 2.0, "pause": 0.001} | settings)


def answer(value, code=200, headers=()):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()

    def send(handler):
        handler.send_response(code)
        for name, text in headers:
            handler.send_header(name, text)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return send
