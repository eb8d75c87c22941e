"""The command line as a shell sees it: exit codes, one line on stderr, quick help."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from cousins.cli import main as cli
from typer.testing import CliRunner

from cousins import __version__, errors

COUSINS = [sys.executable, "-c", "from cousins.cli.main import main; main()"]
# What only a running verb may load; `cousins --help` has to answer at once.
HEAVY = {
    "mujoco",
    "numpy",
    "open3d",
    "trimesh",
    "scipy",
    "skimage",
    "cv2",
    "manifold3d",
    "pydantic",
}


def cousins(*arguments, **environment):
    return subprocess.run(
        [*COUSINS, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        check=False,
    )


def verbs():
    return sorted(command.callback.__name__ for command in cli.app.registered_commands)


def test_version():
    done = cousins("--version")
    assert (done.returncode, done.stdout) == (0, f"cousins {__version__}\n")


def test_help_lists_every_verb():
    done = cousins("--help")
    assert done.returncode == 0
    listed = re.findall(r"^  (\w+) ", done.stdout.split("Commands:")[1], re.MULTILINE)
    assert sorted(listed) == verbs()


def test_every_file_in_cli_is_a_verb():
    files = {path.stem for path in __import__("pathlib").Path(cli.__file__).parent.glob("*.py")}
    assert sorted(files - {"__init__", "main", "console", "engine", "trial"}) == verbs()


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_has_help_and_json(verb):
    done = CliRunner().invoke(cli.app, [verb, "--help"])
    assert done.exit_code == 0
    assert "--json" in done.stdout


def test_help_loads_nothing_heavy():
    code = "import sys, cousins.cli.main; print(*{m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # Typer itself may bring pydantic along.
    base = subprocess.run([sys.executable, "-c", "import sys, typer; print(*sys.modules)"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert not HEAVY & set(done.stdout.split()) - set(base.stdout.split())


@pytest.mark.parametrize("arguments", [["nonsense"], ["doctor", "--nonsense"]])
def test_a_wrong_command_line_exits_2_and_says_why(arguments):
    done = cousins(*arguments)
    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ScanError("desk: no support surface; film the table too"), 1),
        (errors.UsageError("zero cousins asked for: -n wants at least 1"), 2),
        (errors.PartlyFailedError("7 of 9 done"), 3),
        (PermissionError(13, "Permission denied", "/nowhere/pack"), 1),
        (OSError(28, "No space left on device"), 1),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(monkeypatch, capsys, error, code):
    assert run_with(monkeypatch, error) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1


def test_a_missing_system_library_names_its_package(monkeypatch, capsys):
    error = ImportError("libusb-1.0.so.0: cannot open shared object file: No such file")
    assert run_with(monkeypatch, error) == 1
    assert "sudo apt-get install -y libusb-1.0-0" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        run_with(monkeypatch, ZeroDivisionError())


def run_with(monkeypatch, error):
    """The exit code of a verb that raises `error`."""

    def fail():
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code


def test_a_gl_that_is_not_there_is_one_line():
    done = cousins("doctor", "--json", MUJOCO_GL="nonsense")
    assert done.returncode == 1
    [broken] = [c for c in json.loads(done.stdout)["checks"] if c["required"] and not c["works"]]
    assert broken["name"] == "mujoco"
    assert "MUJOCO_GL" in broken["remedy"]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_ctrl_c_exits_130_with_one_line():
    process = subprocess.Popen(
        [sys.executable, "-c", "from cousins.cli.main import main; print(flush=True); main()",
         "doctor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell's background jobs, and what they start, ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()  # all is imported
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.startswith("error: interrupted")
    assert "Traceback" not in stderr


def test_a_closed_pipe_is_no_traceback():
    line = f"{sys.executable} -c 'from cousins.cli.main import main; main()' --help | true"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
