"""Against a real little server on this machine that can misbehave in every way listed."""

import email.utils
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from models.lm.config import ModelConfig, ServerConfig
from models.lm.interface import Sampling
from models.lm.opening import open_model
from models.lm.pacing import Pace, backoff, retry_after

KEY = "sk-very-secret"
GARBAGE = [b"<html>gateway</html>", b'{"choices": []}', b"[]", b"null", b'{"choices": [{}]}', b""]


class Server(ThreadingHTTPServer):
    """Answers with the first of `script` that is left, and rightly once there is none."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = []
        self.seen = []  # (time, path, headers, body) of every request
        self.now = self.most = 0  # requests under way
        self.lock = threading.Lock()
        self.seconds = 0.0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request, client_address):
        """Clients that gave up are what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with server.lock:
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.seen.append((time.monotonic(), self.path, headers, body))
            fault = server.script.pop(0) if server.script else None
            server.now += 1
            server.most = max(server.most, server.now)
        try:
            time.sleep(server.seconds)
            (fault or answer_rightly)(self, body)
        finally:
            with server.lock:
                server.now -= 1

    def reply(self, status, content, **headers):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)


def status(number, message="as told", code=None, **headers):
    content = json.dumps({"error": {"message": message, "code": code}}).encode()
    return lambda handler, _: handler.reply(number, content, **headers)


def garbage(content):
    return lambda handler, _: handler.reply(200, content)


def cut(handler, _):
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"te')
    handler.wfile.flush()
    handler.connection.close()


def slow(handler, body):
    time.sleep(1.0)
    answer_rightly(handler, body)


def answer_rightly(handler, body):
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    if handler.path.endswith("/chat/completions"):
        text = f"re: {body['messages'][0]['content']}"
        choice = {
            "message": {"role": "assistant", "content": text},
            "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -1.5}]},
        }
    elif body.get("echo"):
        tokens = [body["prompt"][i : i + 3] for i in range(0, len(body["prompt"]), 3)]
        choice = {
            "text": body["prompt"],
            "logprobs": {
                "tokens": tokens,
                "text_offset": [3 * i for i in range(len(tokens))],
                "token_logprobs": [None, *(-float(i) for i in range(1, len(tokens)))],
                "top_logprobs": [None, *({t: -0.1, "?": -3.0} for t in tokens[1:])],
            },
        }
    else:
        choice = {"text": f"re: {body['prompt']}", "logprobs": {"token_logprobs": [-0.5, -1.5]}}
    told = {"choices": [choice | {"index": 0, "finish_reason": "length"}], "usage": usage}
    handler.reply(200, json.dumps(told).encode())


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def ask(server, monkeypatch, tmp_path):
    """A model on the server, with changed settings."""
    monkeypatch.setenv("HEADWATER_TEST_KEY", KEY)

    def opened(**changes):
        settings = {
            "base_url": server.url, "key_env": "HEADWATER_TEST_KEY",
            "backoff_s": 0.01, "retries": 3, "timeout_s": 5, **changes,
        }  # fmt: skip
        config = ModelConfig(name="served", backend="openai", server=ServerConfig(**settings))
        return open_model(config, tmp_path)

    return opened


def test_a_completion_comes_with_its_counts(server, ask):
    model = ask()
    [first, second] = model.generate(["one", "two"], Sampling(max_tokens=7, stop=("x",), seed=3))
    assert (first.text, second.text) == ("re: one", "re: two")
    assert (first.prompt_tokens, first.completion_tokens, first.finish) == (3, 2, "length")
    assert first.logprobs == (-0.5, -1.5)
    _, path, headers, body = server.seen[0]
    assert (path, headers["authorization"]) == ("/v1/completions", f"Bearer {KEY}")
    assert body["model"] == "served"
    assert (body["max_tokens"], body["stop"], body["seed"], body["temperature"]) == (7, ["x"], 3, 0)
    assert (model.name, model.context) == ("served", 8192)


def test_a_chat_endpoint_is_asked_in_messages(server, ask):
    model = ask(endpoint="chat", logprobs=False)
    prompt = model.chat_prompt("Who?", "Be brief.")
    [told] = model.generate([prompt], Sampling())
    assert told.text == "re: Be brief.\n\nWho?"
    assert "logprobs" not in server.seen[0][3]
    with pytest.raises(NotImplementedError):
        model.score([("a", "b")])


def test_scores_come_from_echoed_log_probabilities(ask):
    [inside, border, empty] = ask().score([("abcdef", "ghi"), ("abcd", "efg"), ("abc", "")])
    assert (inside.logprobs, inside.greedy, inside.prompt_tokens) == ((-2.0,), (True,), 2)
    assert (border.logprobs, border.prompt_tokens) == ((-1.0, -2.0), 1)
    assert empty.logprobs == ()
    with pytest.raises(NotImplementedError, match="first token"):
        ask().score([("", "abc")])


def test_what_a_server_does_not_tell_is_said(ask):
    for refused in (ask().embed, ask().hidden_states):
        with pytest.raises(NotImplementedError, match="use backend transformers"):
            refused(["a"])


@pytest.mark.parametrize(
    "fault",
    [status(429), status(500), status(503), status(408), cut, *map(garbage, GARBAGE)],
    ids=["429", "500", "503", "408", "cut", *(f"garbage-{i}" for i in range(len(GARBAGE)))],
)
def test_what_may_pass_is_tried_again(server, ask, fault):
    server.script = [fault, fault]
    [told] = ask().generate(["one"], Sampling())
    assert told.text == "re: one"
    assert len(server.seen) == 3


def test_a_slow_server_is_tried_again(server, ask):
    server.script = [slow]
    [told] = ask(timeout_s=0.2).generate(["one"], Sampling())
    assert (told.text, len(server.seen)) == ("re: one", 2)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (status(500, f"boom for {KEY}"), r"4 tries: status 500: .*boom for \*\*\*"),
        (cut, "4 tries: no connection"),
        (garbage(b"<html>"), "4 tries: an answer that is no JSON"),
        (garbage(b'{"choices": []}'), "4 tries: an answer without what was asked for"),
    ],
    ids=["500", "cut", "no-json", "no-choice"],
)
def test_what_does_not_pass_is_told_in_the_end(server, ask, fault, told):
    server.script = [fault] * 4
    with pytest.raises(ConnectionError, match=told) as error:
        ask().generate(["one"], Sampling())
    assert len(server.seen) == 4
    assert KEY not in str(error.value)


def test_no_server_is_told(ask):
    with pytest.raises(ConnectionError, match="gave no answer in 2 tries: no connection"):
        ask(base_url="http://127.0.0.1:9/v1", retries=1).generate(["one"], Sampling())


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (status(401, f"bad key {KEY}"), r"bad key \*\*\*.*is the key in HEADWATER_TEST_KEY right"),
        (status(404, "no such model"), "refuses served: status 404: .*no such model"),
        (status(400, "maximum context length is 4 tokens"), "maximum context length"),
        (status(429, "you are out of money", code="insufficient_quota"), "out of money"),
        (status(429, "come back tomorrow", retry_after="86400"), "come back tomorrow"),
    ],
    ids=["401", "404", "400", "quota", "tomorrow"],
)
def test_what_trying_cannot_help_is_told_at_once(server, ask, fault, told):
    server.script = [fault]
    with pytest.raises(ValueError, match=told) as error:
        ask().generate(["one"], Sampling())
    assert len(server.seen) == 1
    assert KEY not in str(error.value)
    assert error.value.__cause__ is None, "the client's own error may show the key"


def test_the_first_refusal_stops_the_rest(server, ask):
    server.script = [status(404)] * 100
    with pytest.raises(ValueError, match="404"):
        ask(concurrency=2).generate([str(i) for i in range(100)], Sampling())
    assert len(server.seen) < 20


def test_retry_after_is_honoured(server, ask):
    server.script = [status(429, retry_after="0.6")]
    ask().generate(["one"], Sampling())
    first, second = (when for when, *_ in server.seen)
    assert second - first >= 0.6


def test_so_many_are_asked_at_once_and_no_more(server, ask):
    server.seconds = 0.05
    told: list[tuple[int, int]] = []
    prompts = [str(i) for i in range(24)]
    answers = ask(concurrency=3).generate(prompts, Sampling(), lambda *at: told.append(at))
    assert [a.text for a in answers] == [f"re: {p}" for p in prompts]
    assert server.most == 3
    assert told == [(i, 24) for i in range(1, 25)]


def test_requests_keep_to_the_limit_a_minute(server, ask):
    ask(requests_per_minute=600, concurrency=8).generate([str(i) for i in range(6)], Sampling())
    times = sorted(when for when, *_ in server.seen)
    assert times[-1] - times[0] >= 0.45


def test_tokens_keep_to_the_limit_a_minute(server, ask):
    """Each is expected to take its room of 100 tokens or more, and turns out to take 5."""
    model = ask(tokens_per_minute=60_000, concurrency=1)
    began = time.monotonic()
    model.generate([str(i) for i in range(5)], Sampling(max_tokens=100))
    assert time.monotonic() - began < 0.4, "what was not used is given back"
    crowd = ask(tokens_per_minute=60_000, concurrency=5)
    server.seconds, server.seen = 0.5, []
    crowd.generate([str(i) for i in range(5)], Sampling(max_tokens=100))
    times = sorted(when for when, *_ in server.seen)
    assert times[-1] - times[0] >= 0.4


def test_a_pace_spreads_amounts_evenly():
    now = [0.0]
    pace = Pace(60, lambda: now[0])
    assert [pace.reserve(1), pace.reserve(1), pace.reserve(5)] == [0, 1, 2]
    pace.correct(-5)
    assert pace.reserve(1) == 2
    now[0] = 100.0
    assert pace.reserve(1) == 0
    assert Pace(None).reserve(10**9) == 0


def test_backoff_doubles_with_chance_and_has_an_end():
    for attempt in range(12):
        whole = min(2.0**attempt, 60.0)
        waits = {backoff(attempt, 1.0, 60.0) for _ in range(20)}
        assert all(whole / 2 <= wait <= whole for wait in waits)
        assert len(waits) > 1


def test_retry_after_is_read_as_number_and_as_date():
    assert retry_after({"retry-after": "2.5"}) == 2.5
    assert retry_after({}) == retry_after({"retry-after": "soon"}) == 0
    assert retry_after({"retry-after": "-3"}) == 0
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert 28 < retry_after({"retry-after": date}) <= 30


def test_the_key_is_nowhere_but_in_the_client(ask, caplog):
    model = ask()
    with caplog.at_level("DEBUG"):
        model.generate(["one"], Sampling())
    assert KEY not in caplog.text
    assert KEY not in repr(model)


def test_truncation_is_not_for_servers(server, tmp_path):
    config = ModelConfig(
        name="m", backend="openai", server=ServerConfig(base_url=server.url), truncate="left"
    )
    with pytest.raises(ValueError, match="cannot truncate"):
        open_model(config, tmp_path)
