"""`cousins calibrate`: what pushes of known truth tell, what they cannot, and bad logs."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from cousins.cli import main as cli
from packs import manifest, quality
from typer.testing import CliRunner

from cousins import pack
from cousins.calibration import infer as rounds
from cousins.calibration import simulated, turns
from cousins.calibration.before_after import before_after, stroke
from cousins.calibration.calibrate import belief_of, calibrate, split, what_damps
from cousins.calibration.infer import infer
from cousins.calibration.likelihood import correlation_time, seek
from cousins.calibration.log import parse_csv, pushes_of
from cousins.calibration.simulate import Guess, Path, Pusher, simulate, stage
from cousins.calibration.simulated import EXACT, NAME, Sensors, Stroke
from cousins.calibration.tell import tell
from cousins.calibration.trial import jitter, trial
from cousins.distributions import LogNormal
from cousins.errors import CaptureError, CousinsError, MissingDependencyError, UsageError
from cousins.scene import build
from examples import box

MASS, FRICTION = 0.5, 0.35
PARTICLES = 56


def boxed():
    """A box on the table whose mass and friction are about as well known as after a scan."""
    made = box(NAME, (0.08, 0.12, 0.06), (0.0, 0.0))
    mass, friction = LogNormal(np.log(0.3), 0.8, "test"), LogNormal(np.log(0.5), 0.4, "test")
    inertia = made.inertia * (0.3 / made.mass.mode)
    return replace(made, mass=mass, friction=friction, inertia=inertia)


SCENE = simulated.scene(boxed())
TRUTH = Guess(*(np.array([v]) for v in (MASS, FRICTION, 0.005, 0.4)))
QUICK = Stroke(0.1, 0.008, 0.5, 0.08, 0.02, 0.04)
QUICK_TOO = Stroke(2.0, -0.01, 0.4, 0.07, 0.02, 0.04)
SLOW = Stroke(0.3, 0.01, 0.04, 0.02, 0.02, 0.3)


def logged(ways, sensors, seed=1):
    rng = np.random.default_rng(seed)
    return simulated.make_log(SCENE, NAME, TRUTH, ways, sensors, rng)


def inferred(table, particles=PARTICLES, threads=0):
    on = stage(*build(SCENE), NAME, Pusher())
    asset = SCENE.assets[0]
    trials = [trial(on, push, {}) for push in pushes_of("log", table)]
    belief = belief_of(on, asset.mass, asset.friction)
    found = infer(on, trials, belief, particles, np.random.default_rng(0), threads)
    return found, tell(found, what_damps(on), "test")


def written(path, scene=SCENE):
    pack.write(path, scene, manifest(), quality())
    return path


def contents(path):
    return {p.name: p.read_bytes() for p in path.rglob("*") if p.is_file()}


def run(*arguments):
    return CliRunner().invoke(cli.app, ["calibrate", *map(str, arguments)])


def test_quick_pushes_with_force_tell_mass_and_friction():
    offset = 0.06
    table = logged([QUICK, QUICK_TOO], Sensors(offset=offset, lost=0.1))
    found, told = inferred(table)
    mass, friction = told.properties["mass"], told.properties["friction"]
    assert mass.told
    assert friction.told
    assert mass.q50 == pytest.approx(MASS, rel=0.15)
    assert friction.q50 == pytest.approx(FRICTION, rel=0.15)
    assert mass.distribution.mode == pytest.approx(mass.q50, rel=0.05)
    assert np.mean(found.offsets) == pytest.approx(offset, abs=0.005)
    assert not any("apart" in words for words in told.words)


def test_a_slow_push_without_force_tells_neither():
    found, told = inferred(logged([SLOW], Sensors(force=None)))
    assert not told.properties["mass"].told
    assert not told.properties["friction"].told
    assert told.properties["mass"].contraction > 0.8
    assert any("neither mass nor friction is told" in words for words in told.words)
    assert found.diverged == 0


def test_a_slow_push_with_force_tells_their_product_only():
    _, told = inferred(logged([SLOW], Sensors()))
    assert told.correlation < -0.7
    assert told.product < 0.15
    product = told.properties["mass"].q50 * told.properties["friction"].q50
    assert product == pytest.approx(MASS * FRICTION, rel=0.2)
    assert any("mass × friction is known to" in words for words in told.words)


@pytest.fixture
def hasty(monkeypatch):
    """As few rounds as there can be: what comes out is rough, and at once."""
    for name, value in (("ROUGH", 1), ("LEAST", 1), ("FINE", 2), ("SETTLED", 1e9)):
        monkeypatch.setattr(rounds, name, value)


@pytest.mark.usefixtures("hasty")
def test_any_number_of_threads_gives_the_same():
    table = logged([QUICK], Sensors())
    one, two = (inferred(table, 32, threads)[0] for threads in (1, 2))
    assert np.array_equal(one.u, two.u)
    assert np.array_equal(one.weight, two.weight)


def test_a_guess_that_diverges_is_dropped_and_spares_the_others():
    on = stage(*build(SCENE), NAME, Pusher())
    t = np.arange(60) * on.period
    start = np.concatenate([boxed().position, boxed().quaternion])
    way = np.column_stack([-0.06 + 0.3 * t, 0 * t, np.full(60, start[2])])
    path = Path(way, np.tile([1.0, 0, 0, 0], (60, 1)), start)
    guess = Guess(*(np.repeat(v, 3) for v in vars(TRUTH).values()))
    sound = simulate(on, path, guess)
    guess.mass[1] = 1e-14
    mixed = simulate(on, path, guess)
    assert sound.alive.all()
    assert mixed.alive.tolist() == [True, False, True]
    assert np.array_equal(mixed.pose[[0, 2]], sound.pose[[0, 2]])
    # It has moved as far as the pusher pushed it, at least, and the force did that.
    assert sound.pose[0, -1, 0] > way[-1, 0] + 0.045
    assert sound.force[0, :, 0].max() > MASS * FRICTION * 9.81


def test_gaps_and_jumps_are_bridged():
    table = logged([QUICK], replace(EXACT, place=0.0005, turn=0.002))
    cut = {k: v.copy() for k, v in table.items()}
    for column in [c for c in cut if c.startswith(NAME)]:
        cut[column][48:54] = np.nan
    cut[f"{NAME}_x"][80] += 0.3
    on = stage(*build(SCENE), NAME, Pusher())
    whole, gappy = (trial(on, pushes_of("log", t)[0], {}) for t in (table, cut))
    assert (gappy.lost, gappy.jumps) == (6, 1)
    assert gappy.longest == pytest.approx(0.07, abs=0.001)
    assert np.allclose(gappy.path.start, whole.path.start, atol=1e-4)
    assert gappy.noise[0] == pytest.approx(0.0005, rel=0.5)


def test_a_clock_of_its_own_is_found():
    on = stage(*build(SCENE), NAME, Pusher())
    table = logged([QUICK], replace(EXACT, offset=0.2))
    one = trial(on, pushes_of("log", table)[0], {})
    traces = simulate(on, one.path, TRUTH)
    assert seek(one, on.period, traces) == pytest.approx(0.2, abs=0.004)
    table["object_time"] = table["time"] + 1e6  # since another day
    far = trial(on, pushes_of("log", table)[0], {})
    again = simulate(on, far.path, TRUTH)
    assert far.clock + seek(far, on.period, again) == pytest.approx(1e6 + 0.2, abs=0.004)


def test_noise_is_told_from_motion():
    t = np.linspace(0, 2, 200)
    rng = np.random.default_rng(0)
    place = np.column_stack([np.sin(2 * t), t**2, 0 * t]) + rng.normal(0, 0.001, (200, 3))
    turn = np.column_stack([np.cos(t), 0 * t, 0 * t, np.sin(t)])
    m, rad = jitter(t, np.hstack([place, turn]))
    assert m == pytest.approx(0.001, rel=0.2)
    assert rad < 1e-4


def test_what_follows_one_another_counts_less():
    rng = np.random.default_rng(0)
    white = rng.standard_normal((400, 3))
    slow = np.repeat(white[:20], 20, axis=0)
    assert correlation_time(white) < 2
    assert 10 < correlation_time(slow) < 40


def test_turns_between():
    a = np.array([1.0, 0, 0, 0])
    b = np.array([np.cos(0.3), 0, 0, -np.sin(0.3)])
    assert turns.between(a, b) == pytest.approx([0, 0, -0.6])
    assert turns.between(a, -b) == pytest.approx([0, 0, -0.6])


def test_which_pushes_are_held_out():
    names = [f"push {k}" for k in range(8)]
    assert split(names[:1], None) == ([0], [])
    assert split(names[:2], None) == ([0], [1])
    assert split(names, None) == (list(range(6)), [6, 7])
    assert split(names, ["push 0"])[1] == [0]
    with pytest.raises(UsageError, match="every push"):
        split(names[:1], ["push 0"])


BAD = {
    "no rows": ("time,pusher_x\n", "holds no rows"),
    "missing": ("time,pusher_x,pusher_y\n" + "0,0,0\n" * 2, "columns missing: pusher_z"),
    "no object": ("time,pusher_x,pusher_y,pusher_z\n" + "0,0,0,0\n" * 2, "no object's columns"),
    "half an object": (
        "time,pusher_x,pusher_y,pusher_z,a_x,a_y,a_z\n0,0,0,0,1,1,1\n",
        "columns missing: a_qw",
    ),
    "words": ("time,pusher_x,pusher_y,pusher_z\n0,0,zero,0\n", "line 2: pusher_y is 'zero'"),
    "nan": ("time,pusher_x,pusher_y,pusher_z\n0,0,nan,0\n", "line 2: pusher_y is nan"),
    "twice": ("time,time\n0,0\n", "'time' is there twice"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_log_is_told_in_one_line(case):
    text, message = BAD[case]
    with pytest.raises(CaptureError, match=r"log\.csv") as caught:
        pushes_of("log.csv", parse_csv("log.csv", text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def rows_of(change):
    table = logged([SLOW], Sensors(force=None, lost=0.0))
    change(table)
    return simulated.csv_text(table)


def backwards(table):
    table["time"][50] = 0.1


def short(table):
    for key in table:
        table[key] = table[key][:8]


def lost(table):
    for key in [k for k in table if k.startswith(NAME)]:
        table[key][10:] = np.nan


def far(table):
    for axis in ("x", "y"):
        table[f"{NAME}_{axis}"] += 0.3
        table[f"pusher_{axis}"] += 0.3


def floating(table):
    for thing in (NAME, "pusher"):
        table[f"{thing}_z"] += 0.15


def missed(table):
    table["pusher_z"] += 0.2


def still(table):
    for key in [k for k in table if k.startswith(NAME)]:
        table[key][:] = table[key][0]


def stranger(table):
    for key in [k for k in table if k.startswith(NAME)]:
        table[key.replace(NAME, "teapot")] = table.pop(key)


def long_quaternion(table):
    table[f"{NAME}_qw"] *= 2


@pytest.mark.parametrize(
    ("change", "message", "code"),
    [
        (backwards, "time does not increase", 1),
        (short, "too short: 8 rows", 1),
        (lost, "the tracker lost thing in", 1),
        (far, "from where the pack has it", 1),
        (floating, "starts where it does not rest", 1),
        (missed, "is never touched: the pusher passes it by", 2),
        (still, "does not move", 1),
        (stranger, "no object 'teapot'; objects: thing", 2),
        (long_quaternion, "a quaternion of length", 1),
    ],
)
def test_a_log_that_does_not_fit_is_told_in_one_line(tmp_path, change, message, code):
    log = tmp_path / "log.csv"
    log.write_text(rows_of(change))
    done = run(written(tmp_path / "p"), log)
    assert isinstance(done.exception, CousinsError), done.exception
    assert message in str(done.exception)
    assert done.exception.exit_code == code
    assert "\n" not in str(done.exception)


def test_requests_that_make_no_sense(tmp_path):
    path, log = written(tmp_path / "p"), tmp_path / "log.csv"
    log.write_text(rows_of(lambda table: None))
    for arguments, message in (
        ([path], "give a PACK and a LOG"),
        ([path, tmp_path / "none.csv"], "no such file"),
        ([path, log, "--object", "cup"], "no object 'cup'; objects: thing"),
        ([path, log, "--holdout", "push 9"], "pushes: push 0"),
        ([path, log, "--particles", "1"], "48 to 100,000 particles"),
        ([path, log, "--pusher-radius", "-1"], "radius"),
        (["--before", path], "go together"),
        (["--before", path, "--after", path, "--push", "0,0:1,1"], "give it as"),
        (["--before", path, "--after", path, "--push", "0,0,1:1,0,1"], "did not move"),
    ):
        done = run(*arguments)
        assert isinstance(done.exception, CousinsError), (arguments, done.exception)
        assert message in str(done.exception), arguments


def test_rounds_that_do_not_settle_tell_nothing(monkeypatch):
    for name, value in (("ROUGH", 1), ("LEAST", 1), ("FINE", 2), ("SETTLED", -1e9)):
        monkeypatch.setattr(rounds, name, value)
    found, told = inferred(logged([QUICK], Sensors()), 48)
    assert not found.settled
    assert not any(p.told for p in told.properties.values())
    assert "did not settle" in told.words[0]


@pytest.mark.usefixtures("hasty")
def test_the_command_tells_tests_and_writes(tmp_path):
    path, log = written(tmp_path / "p"), tmp_path / "log.csv"
    log.write_text(simulated.csv_text(logged([QUICK, SLOW], Sensors(lost=0.0))))
    before = contents(path)
    done = run(path, log, "--particles", "48", "--holdout", "push 1", "--dry-run")
    assert done.exit_code == 0, done.exception
    assert "nothing written: --dry-run" in done.output
    assert "held out, push 1" in done.output
    assert contents(path) == before
    again = run(path, log, "--particles", "48", "--json")
    result = json.loads(again.stdout)
    told = result["objects"][NAME]
    assert result["written"] == [NAME]
    (entry,) = pack.read(path).objects
    assert entry.mass.mode == pytest.approx(MASS, rel=0.3)
    assert entry.mass.source.startswith("calibrated from 1 push with force")
    assert pack.check(path) == []
    assert told["held_out"][0]["place"] < told["held_out"][0]["prior_place"]
    assert told["tells"]["properties"]["mass"]["distribution"]["distribution"] == "lognormal"


@pytest.mark.usefixtures("hasty")
def test_two_scans_and_a_push_between_them(tmp_path):
    before = written(tmp_path / "a")
    on = stage(*build(SCENE), NAME, Pusher())
    text = "-0.1,0.0,0.74:0.0,0.0,0.74:0.4"
    start, end, seconds = stroke(text)
    from cousins.calibration import before_after as module

    asset = SCENE.assets[0]
    pose = np.concatenate([asset.position, asset.quaternion])
    way = module._trial(on, {NAME: pose}, pose, start, end, seconds)
    last = simulate(on, way.path, TRUTH).pose[0, -1]
    assert last[0] > 0.03
    after = written(tmp_path / "b", simulated.scene(asset.moved(last[:3], last[3:])))
    done = before_after(before, after, text, particles=48)[NAME]
    friction = done.tells.properties["friction"]
    assert friction.q05 < FRICTION < friction.q95
    assert not done.tells.properties["mass"].told
    assert "told" in " ".join(done.tells.words)
    with pytest.raises(UsageError, match="never touched"):
        before_after(before, after, "-0.1,0.5,0.74:0.0,0.5,0.74")


def test_parquet_without_pyarrow_says_how_to_get_it(tmp_path, monkeypatch):
    log = tmp_path / "log.parquet"
    log.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install .cousins\[parquet\]"):
        calibrate(written(tmp_path / "p"), [log])


def test_parquet_is_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    from cousins.calibration.log import read_table

    table = logged([SLOW], Sensors(force=None, lost=0.1))
    columns = {
        k: v.tolist() if v.dtype.kind == "U" else [None if np.isnan(x) else x for x in v]
        for k, v in table.items()
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "log.parquet")
    read = read_table(tmp_path / "log.parquet")
    assert read.keys() == table.keys()
    assert np.allclose(read[f"{NAME}_x"], table[f"{NAME}_x"], equal_nan=True)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(CaptureError, match="not Parquet"):
        read_table(tmp_path / "bad.parquet")
