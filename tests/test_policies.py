"""Policies of every kind: what they are given, what they give, and what is said of bad ones."""

import base64
import json
import textwrap
import threading
import zipfile
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packs import family, manifest, quality

from cousins import plugins
from cousins.env import make_vec
from cousins.errors import CousinsError, MissingDependencyError, PolicyError, UsageError
from cousins.pack import read, write
from cousins.policies import card, checked, observed, policy, width
from cousins.policies.film import film
from cousins.policies.http import Http, server
from cousins.policies.mlp import ACTIVATIONS, Mlp, graph
from cousins.policies.wire import AnswerError, answer, numpy_json, question
from cousins.tasks.hold import Hold
from examples import table_scene

D, K, N = 52, 8, 3


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    path = tmp_path_factory.mktemp("policies") / "p"
    scene = table_scene()
    write(path, scene, manifest(), quality(), [family(scene)])
    return read(path)


@pytest.fixture(scope="module")
def env(pack):
    made = make_vec(pack, Hold(pushes=2, limit=0.6), N, seed=4)
    made.reset()
    made.episodes.seen["state"][:] += np.arange(N)[:, None]
    return made


@pytest.fixture
def episodes(env):
    return env.episodes


def begun(text, episodes):
    made = policy(text) if isinstance(text, str) else text
    made.begin(episodes, np.arange(len(episodes.worlds)))
    return made


def network(seed=0, inputs=D, outputs=K, activation="Tanh", squash=False, hidden=(16, 12)):
    rng = np.random.default_rng(seed)
    sizes = (inputs, *hidden, outputs)
    layers = tuple(
        (rng.normal(0, 0.5, (b, a)).astype(np.float32), rng.normal(0, 0.1, b).astype(np.float32))
        for a, b in pairwise(sizes)
    )
    mean, std = rng.normal(size=inputs), rng.uniform(0.1, 3, inputs)
    return Mlp(mean.astype(np.float32), std.astype(np.float32), 5.0, layers, activation, squash)


def told(**changes):
    from cousins import __version__

    return card.Card(
        **{
            "cousins_version": __version__, "task": {"name": "hold", "settings": {"pushes": 2}},
            "control": 0.02, "observation": [f"o.{i}" for i in range(D)],
            "action": [f"a{i}" for i in range(K)], "trainer": "sb3", "engine": "cpu",
            "trained_on": {"pack": "p", "count": 6, "distance": (0.0, 0.5), "numbers": [(0, 5)]},
            "steps": 100, "seed": 0, **changes,
        }
    )  # fmt: skip


def observations(episodes):
    return episodes.task.observations(episodes.worlds.layout)


def test_zero_does_nothing(episodes):
    assert not begun("zero", episodes)(episodes).any()


def test_the_expert_says_what_it_cannot_do(episodes):
    with pytest.raises(UsageError, match="no expert does the task hold"):
        begun("expert", episodes)


def test_random_is_the_same_for_an_episode_among_however_many_worlds(pack):
    task, acted = Hold(pushes=2, limit=0.6), []
    for n in (1, 3):
        env = make_vec(pack, task, n, seed=9)
        env.reset()
        chosen = begun("random", env.episodes)
        acted.append([chosen(env.episodes)[0] for _ in range(5)])
    np.testing.assert_array_equal(*acted)
    assert np.ptp(acted[0]) > 1
    env.reset()
    assert not np.array_equal(begun(chosen, env.episodes)(env.episodes)[0], acted[0][0])


@pytest.mark.parametrize("text", ["", "nonsense", "zeros", "a b", "runs/none", "C:"])
def test_what_is_no_policy_is_said_with_what_there_is(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CousinsError) as error:
        policy(text or "none")
    assert "\n" not in str(error.value)
    assert "policy" in str(error.value) or "holds no" in str(error.value)


def test_plug_ins_bring_policies(monkeypatch, episodes):
    class Mine:
        observe = ("state", "rgb")

    monkeypatch.setattr(plugins, "load", lambda group: {"mine": Mine})
    assert observed(policy("mine")) == ("state", "rgb")
    assert observed(policy("zero")) == ("state",)
    with pytest.raises(UsageError, match="plug-ins: mine"):
        policy("yours")


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (np.zeros((N, K + 1)), r"shape \(3, 9\); 3 worlds of task hold take \(3, 8\)"),
        (np.full((N, K), np.nan), "not finite, for world 0"),
        ([["a"] * K] * N, "no numbers"),
        ([[0.0], [0.0, 1.0]], "no numbers"),
    ],
)
def test_what_are_no_actions_is_one_error(episodes, bad, what):
    with pytest.raises(PolicyError, match=f"^mine: .*{what}"):
        checked(bad, episodes, "mine")


def test_a_film_shows_each_world_until_its_episode_is_over(pack, tmp_path):
    import cv2

    path = tmp_path / "film.mp4"
    try:
        film(path, pack, Hold(pushes=2, limit=0.6), policy("random"), worlds=2, size=(64, 48))
    except MissingDependencyError as error:
        pytest.skip(str(error))
    video, frames = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        frames.append(read[1].astype(float))
    assert video.get(cv2.CAP_PROP_FPS) == 25
    assert 2 <= len(frames) <= 17
    assert np.abs(frames[-1] - frames[0]).max() > 30
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]


# Somebody's own Python.


def source(tmp_path, text, name="mine.py"):
    path = tmp_path / name
    path.write_text(textwrap.dedent(text))
    return path


def test_a_function_sees_the_state_and_the_instruction(tmp_path, episodes):
    path = source(tmp_path, """
        import numpy as np
        def act(observation, instruction):
            assert instruction == "keep everything where it stands"
            observation["state"][:] += 7  # its own copy
            return np.tile(observation["state"][:, :1], 8) / 10
    """)  # fmt: skip
    before = episodes.seen["state"].copy()
    actions = begun(f"{path}:act", episodes)(episodes)
    np.testing.assert_allclose(actions[:, 0], (before[:, 0] + 7) / 10, rtol=1e-6)
    np.testing.assert_array_equal(episodes.seen["state"], before)


def test_a_module_of_the_folder_one_is_in(tmp_path, monkeypatch, episodes):
    source(tmp_path, "from mine_too import K\ndef act(o, i): return [[0.5] * K] * len(o['state'])",
           "mine_module.py")  # fmt: skip
    source(tmp_path, "K = 8", "mine_too.py")
    monkeypatch.chdir(tmp_path)
    assert (begun("mine_module:act", episodes)(episodes) == 0.5).all()
    assert str(tmp_path) not in __import__("sys").path


def test_a_class_begins_episodes_and_says_what_it_sees(tmp_path, episodes):
    path = source(tmp_path, """
        import numpy as np
        class Mine:
            observe = ("state", "depth")
            def __init__(self): self.begun = []
            def begin(self, episodes, ids): self.begun += ids.tolist()
            def __call__(self, episodes): return np.full((3, 8), len(self.begun) / 10)
    """)  # fmt: skip
    made = begun(f"{path}:Mine", episodes)
    assert observed(made) == ("state", "depth")
    made.begin(episodes, np.array([1]))
    assert (made(episodes) == 0.4).all()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("def act(o, i):\n    return 1 / 0", r"act: ZeroDivisionError: .* at mine.py:2"),
        ("def act(o, i):\n    return 3", "shape"),
        ("1 / 0", "ZeroDivisionError: .* at mine.py:1"),
        ("import nothing_of_that_name", "ModuleNotFoundError: .*nothing_of_that_name"),
        ("act = 3", "cannot be called"),
        ("", "holds no 'act'"),
        ("def act(", "SyntaxError"),
    ],
)
def test_what_somebodys_code_raises_is_one_line_with_its_place(tmp_path, episodes, text, what):
    path = source(tmp_path, text)
    with pytest.raises((PolicyError, UsageError), match=what) as error:
        begun(f"{path}:act", episodes)(episodes)
    assert "\n" not in str(error.value)


def test_a_module_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in ("nothing_here:act", "nothing.py:act", "no-module:act"):
        with pytest.raises(UsageError):
            policy(text)


# The card.


def test_a_card_is_read_as_it_was_written(tmp_path):
    normal = {"mean": [0.0] * D, "std": [1.0] * D, "clip": 10.0}
    made = told(normalisation=normal, limits={"mass": 2.0})
    card.write_card(tmp_path / card.FILE, made)
    assert card.read_card(tmp_path / card.FILE) == made


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda d: d | {"schema_version": 2}, "schema_version 2, this reads 1: update cousins"),
        (lambda d: d | {"control": -1}, "control"),
        (lambda d: d | {"seed": float("nan")}, "seed"),
        (lambda d: d | {"observation": ["a\nb"]}, "observation"),
        (lambda d: [d], "schema_version None"),
        (lambda d: {k: v for k, v in d.items() if k != "task"}, "task: Field required"),
    ],
)
def test_a_bad_card_is_one_line(tmp_path, change, what):
    path = tmp_path / card.FILE
    path.write_text(json.dumps(change(json.loads(told().model_dump_json()))))
    with pytest.raises(PolicyError, match=what) as error:
        card.read_card(path)
    assert "\n" not in str(error.value)


def test_a_card_that_is_none(tmp_path):
    path = tmp_path / card.FILE
    with pytest.raises(PolicyError, match="cannot be read"):
        card.read_card(path)
    path.write_bytes(b"{")
    with pytest.raises(PolicyError, match="no JSON"):
        card.read_card(path)
    path.write_bytes(b" " * (card.MAX_BYTES + 1))
    with pytest.raises(PolicyError, match="above"):
        card.read_card(path)


@given(st.sets(st.integers(0, 60)))
def test_spans_hold_the_numbers_and_no_others(numbers):
    spans = card.spans(numbers)
    assert [n for low, high in spans for n in range(low, high + 1)] == sorted(numbers)
    assert all(b[0] > a[1] + 1 for a, b in pairwise(spans))


# The network as ONNX.


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("squash", [False, True])
def test_the_graph_is_the_network(tmp_path, activation, squash, episodes):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    mlp = network(activation=activation, squash=squash)
    (tmp_path / "policy.onnx").write_bytes(graph(mlp))
    expected = mlp(episodes.seen["state"])
    np.testing.assert_allclose(begun(str(tmp_path), episodes)(episodes), expected, atol=1e-5)
    assert np.abs(expected).max() <= 1
    assert graph(mlp) == graph(network(activation=activation, squash=squash))


def test_a_policy_for_other_observations_says_what_both_are(tmp_path, episodes):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    path = tmp_path / "policy.onnx"
    path.write_bytes(graph(network(inputs=40)))
    with pytest.raises(UsageError, match=r"takes 40 numbers, .* task hold here has 52"):
        begun(str(path), episodes)
    path.write_bytes(graph(network(outputs=7)))
    with pytest.raises(PolicyError, match=r"\(3, 7\).*\(3, 8\)"):
        begun(str(path), episodes)(episodes)


def test_the_card_says_what_a_policy_is_for(tmp_path, episodes):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    (tmp_path / "policy.onnx").write_bytes(graph(network()))
    names = [f"thing.{name.rpartition('.')[2]}" for name in observations(episodes)]
    for change, what in (
        ({"observation": names}, None),  # other names of objects are another pack's
        ({"observation": [*names[:3], "thing.vx", *names[4:]]}, "'thing.vx' as number 3"),
        ({"observation": names, "control": 0.05}, "every 0.05 s.*--set control=0.05"),
        ({"observation": names, "action": ["a"] * 7}, "gives 7 actions, .* takes 8"),
    ):
        card.write_card(tmp_path / card.FILE, told(**change))
        if what is None:
            assert begun(str(tmp_path), episodes).card.control == 0.02
            continue
        with pytest.raises(UsageError, match=what):
            begun(str(tmp_path), episodes)


def test_a_file_that_is_no_graph(tmp_path):
    with pytest.raises(PolicyError, match=r"holds no policy\.onnx"):
        policy(str(tmp_path))
    with pytest.raises(PolicyError, match="no such file"):
        policy(str(tmp_path / "a.onnx"))
    path = tmp_path / "a.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises((PolicyError, MissingDependencyError)) as error:
        policy(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"layers": network().layers[1:]},
        {"std": np.zeros(D, np.float32)},
        {"mean": np.full(D, np.nan, np.float32)},
        {"layers": ()},
    ],
)
def test_a_network_that_makes_no_sense(change):
    with pytest.raises(PolicyError):
        Mlp(**{**vars(network()), **change})


# What Stable-Baselines3 saved.


def sb3(algorithm="PPO", **how):
    """A model over spaces like the environment's, and its environment."""
    baselines = pytest.importorskip("stable_baselines3")
    from gymnasium import Env, spaces
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    class Toy(Env):
        observation_space = spaces.Box(-np.inf, np.inf, (D,), np.float32)
        action_space = spaces.Box(-1, 1, (K,), np.float32)

        def reset(self, **_):
            return self.observation_space.sample(), {}

        def step(self, _):
            return 3 * self.observation_space.sample() + 1, 0.0, False, False, {}

    env = VecNormalize(DummyVecEnv([Toy]), norm_reward=False)
    env.reset()
    for _ in range(20):
        env.step(np.zeros((1, K)))
    return getattr(baselines, algorithm)("MlpPolicy", env, seed=0, device="cpu", **how), env


@pytest.mark.parametrize("algorithm", ["PPO", "SAC", "TD3"])
def test_what_sb3_saved_does_what_it_does_there(tmp_path, episodes, algorithm):
    torch = pytest.importorskip("torch")
    how = {"n_steps": 8, "batch_size": 8,
           "policy_kwargs": {"activation_fn": torch.nn.ELU, "net_arch": [24, 20]}}  # fmt: skip
    model, env = sb3(algorithm, **(how if algorithm == "PPO" else {}))
    model.save(tmp_path / "m.zip")
    plain, _ = model.predict(episodes.seen["state"], deterministic=True)
    np.testing.assert_allclose(begun(f"{tmp_path}/m.zip", episodes)(episodes), plain, atol=1e-5)
    env.save(tmp_path / "vecnormalize.pkl")
    scaled, _ = model.predict(env.normalize_obs(episodes.seen["state"]), deterministic=True)
    np.testing.assert_allclose(begun(f"{tmp_path}/m.zip", episodes)(episodes), scaled, atol=1e-5)
    assert np.abs(scaled - plain).max() > 1e-3


class Evil:
    def __reduce__(self):
        return (__import__("os").system, ("touch evil",))


def test_nothing_of_what_lies_beside_is_run(tmp_path, monkeypatch):
    import pickle

    model, _ = sb3(n_steps=8, batch_size=8)
    model.save(tmp_path / "m.zip")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vecnormalize.pkl").write_bytes(pickle.dumps({"obs_rms": Evil()}))
    with pytest.raises(PolicyError) as error:
        policy("m.zip")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "evil").exists()


def test_a_zip_that_sb3_did_not_save(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "m.zip"
    path.write_bytes(b"no zip")
    with pytest.raises(PolicyError, match="no zip"):
        policy(str(path))
    for members, what in (
        ({"a": b""}, "not what Stable-Baselines3 saves"),
        ({"data": b"{}", "policy.pth": b"abc"}, "holds no weights"),
        ({"data": b"[]", "policy.pth": b"abc"}, "damaged"),
    ):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        with pytest.raises(PolicyError, match=what):
            policy(str(path))


# Servers.


@pytest.fixture
def answers():
    """A real server: it is given what to say, (status, body) or a function of the question, and
    keeps what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            held.asked.append((self.path, asked))
            said = held.said[min(len(held.asked), len(held.said)) - 1]
            code, body = said(asked) if callable(said) else said
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            with suppress(OSError):
                self.send_response(code)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_):
            pass

    class Held:
        pass

    held = Held()
    held.asked, held.said = [], []
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    held.url = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    yield held
    http.shutdown()
    http.server_close()


def asking(answers, *said, **how):
    answers.said = list(said)
    settings = {"observe": ("state",), "timeout": 2.0, "pause": 0.001, **how}
    return Http(f"{answers.url}/act", **settings)


def test_a_server_is_asked_for_each_world(answers, episodes):
    said = lambda asked: (200, {"action": [asked["observation"]["state"][0] / 10] * K})  # noqa: E731
    made = begun(asking(answers, said), episodes)
    actions = made(episodes)
    np.testing.assert_allclose(actions[:, 0], episodes.seen["state"][:, 0] / 10, rtol=1e-6)
    path, asked = answers.asked[1]
    assert path == "/act"
    assert asked["instruction"] == "keep everything where it stands"
    assert len(asked["observation"]["state"]) == D
    assert asked["episode"] == str(episodes.seeds[1])


def test_a_chunk_is_carried_out_before_the_next_question(answers, episodes):
    chunk = [[i / 10] * K for i in range(3)]
    made = begun(asking(answers, (200, {"actions": chunk})), episodes)
    assert [made(episodes)[0, 0] for _ in range(4)] == pytest.approx([0, 0.1, 0.2, 0])
    assert len(answers.asked) == 2 * N
    made.begin(episodes, np.array([1]))  # that world begins anew
    assert made(episodes)[:, 0] == pytest.approx([0.1, 0, 0.1])


def test_a_passing_failure_is_asked_again(answers, episodes):
    made = begun(asking(answers, (503, b""), (200, [0.0] * K)), episodes)
    made(episodes)
    assert len(answers.asked) == N + 1


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ((200, b"<html>"), "is no JSON"),
        ((200, "error"), "says 'error': look into its own log"),
        ((200, {"result": 1}), "neither action nor actions, but result"),
        ((200, [0.0] * 7), r"shape \(1, 7\), the task takes 8"),
        ((200, b"[NaN, 0, 0, 0, 0, 0, 0, 0]"), "not finite"),
        ((200, [[0.0] * K] * 1001), "1,001 actions"),
        ((200, {"action": []}), "shape"),
        ((500, b"boom"), "HTTP 500 .2 times"),
        ((404, b"no such\npage"), "HTTP 404, no such page"),
        ((302, b""), "redirect"),
        ((200, b" " * (9 << 20)), "above"),
    ],
)
def test_what_a_server_answers_wrongly_is_one_line(answers, episodes, said, what):
    made = begun(asking(answers, said, attempts=2), episodes)
    with pytest.raises(PolicyError, match=what) as error:
        made(episodes)
    assert "\n" not in str(error.value)
    assert answers.url in str(error.value)


def test_no_server_there_and_one_that_is_slow(answers, episodes):
    gone = Http("http://127.0.0.1:9/act", observe=("state",), attempts=1)
    with pytest.raises(PolicyError, match=r"no connection .*start the server"):
        begun(gone, episodes)(episodes)
    sleep = threading.Event()
    slow = asking(answers, lambda _: (sleep.wait(2), (200, []))[1], timeout=0.1, attempts=1)
    with pytest.raises(PolicyError, match=r"no answer in 0.1 s"):
        begun(slow, episodes)(episodes)
    sleep.set()


def test_what_nobody_looks_at_cannot_be_sent(answers, episodes):
    with pytest.raises(UsageError, match="wants to see rgb"):
        begun(asking(answers, observe=("rgb",)), episodes)


def test_addresses():
    assert server("http://host:8000").url == "http://host:8000/act"
    made = policy("openvla+https://host/predict?unnorm_key=bridge_orig")
    assert (made.url, made.form) == ("https://host/predict", "openvla")
    assert made.extra == {"unnorm_key": "bridge_orig"}
    assert observed(server("http://h:1/?observe=state")) == ("state",)
    for bad in ("ftp://x", "http://", "http://a:b@host", "http://h:99999999", "what+http://h",
                "openvla+http://h?observe=state", "http://h/ x"):  # fmt: skip
        with pytest.raises(UsageError):
            policy(bad)


def test_pictures_are_sent_as_they_are():
    import cv2

    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 255, (1, 2, 12, 16, 3), np.uint8)
    seen = {"state": np.ones((1, 3), np.float32), "rgb": rgb,
            "depth": np.full((1, 12, 16), 1.2345, np.float32)}  # fmt: skip
    plain = json.loads(json.dumps(question("cousins", seen, 0, "go", {})))["observation"]
    data = np.frombuffer(base64.b64decode(plain["rgb"][1]), np.uint8)
    np.testing.assert_array_equal(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1], rgb[0, 1])
    deep = cv2.imdecode(np.frombuffer(base64.b64decode(plain["depth"]), np.uint8), -1)
    assert (deep == 1234).all()
    vla = question("openvla", seen, 0, "go", {"unnorm_key": "b", "step": 0})
    assert set(vla) == {"image", "instruction", "unnorm_key"}
    oft = question("openvla-oft", seen, 0, "go", {})
    assert set(oft) == {"full_image", "wrist_image", "state", "instruction"}
    for told, expected in ((vla["image"], rgb[0, 0]), (oft["wrist_image"], rgb[0, 1])):
        raw = np.frombuffer(base64.b64decode(told["__numpy__"]), np.dtype(told["dtype"]))
        np.testing.assert_array_equal(raw.reshape(told["shape"]), expected)


@given(st.integers(1, 5), st.sampled_from(["<f8", "<f4", "<i8"]), st.booleans())
def test_answers_in_every_form_are_the_same_actions(steps, kind, twice):
    actions = np.arange(steps * 3).reshape(steps, 3).astype(kind)
    forms = [
        actions.tolist(), {"actions": actions.tolist()}, {"action": [actions.tolist()]},
        numpy_json(actions), [numpy_json(a) for a in actions], {"actions": numpy_json(actions)},
    ]  # fmt: skip
    for form in forms:
        text = json.dumps(form)
        np.testing.assert_array_equal(
            answer(json.dumps(text if twice else form).encode(), 3), actions
        )


@settings(max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=4)
                    | st.dictionaries(st.sampled_from(["action", "__numpy__", "dtype", "shape"]),
                                      inner, max_size=3)))  # fmt: skip
def test_no_answer_does_more_than_be_refused(told):
    with suppress(AnswerError):
        out = answer(json.dumps(told).encode(), 2)
        assert out.shape[1] == 2
        assert np.isfinite(out).all()


def test_width_is_the_tasks(episodes):
    assert width(episodes) == K
