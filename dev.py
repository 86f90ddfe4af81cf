#!/usr/bin/env python3
"""Set everything up and run it: ``python3 dev.py demo | test | lint | slow | docs | pythons [arguments]``.

Needs nothing but Python 3.10+ with pip or venv. Packages go into ``.dev/`` beside this file: into a virtual environment
where ``venv`` works, else (no ensurepip, externally managed system) into a plain folder that is put on ``PYTHONPATH``.
Setting up is done once per content of ``pyproject.toml``; running again, also after an interruption, completes it.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
HOME = ROOT / ".dev" / f"{sys.implementation.cache_tag}"
VENV = HOME / "venv"
TARGET = HOME / "packages"
STAMP = HOME / "stamp.json"


class SetupError(Exception):
    """Something on this machine is missing; the text is one line for the user."""


def wanted_hash() -> str:
    """A hash of all that decides what gets installed: the project's metadata, its version, and which Python runs."""
    digest = hashlib.sha256()
    for path in (ROOT / "pyproject.toml", ROOT / "flake8_mongo_threads" / "__init__.py"):
        digest.update(path.read_bytes())
    digest.update(f"{sys.version}\n{ROOT}".encode())
    return digest.hexdigest()


def read_stamp() -> dict[str, object]:
    """What the last completed set-up installed, empty when there is none (or it is damaged)."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """Hold the set-up lock, so that two commands started at once do not install into each other."""
    HOME.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows: two set-ups at once are the user's to avoid
        yield
        return
    with (HOME / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def last_line(text: str) -> str:
    """The line of a failed command's output that says why: its last line with ``error`` in it, else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no output"])[-1]


def run_quietly(command: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command and keep what it prints."""
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)


def venv_python() -> Path:
    """Where the virtual environment's interpreter is."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_venv() -> bool:
    """Make the virtual environment; False where this Python cannot (no ensurepip, a read-only or broken venv)."""
    if venv_python().exists() and run_quietly([str(venv_python()), "-m", "pip", "--version"]).returncode == 0:
        return True
    shutil.rmtree(VENV, ignore_errors=True)
    made = run_quietly([sys.executable, "-m", "venv", str(VENV)])
    if made.returncode == 0 and run_quietly([str(venv_python()), "-m", "pip", "--version"]).returncode == 0:
        return True
    shutil.rmtree(VENV, ignore_errors=True)
    return False


def install(extras: list[str]) -> str:
    """Install the project with its extras and return how: ``venv`` or ``target``. Raises SetupError."""
    requirement = f".[{','.join(extras)}]" if extras else "."
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    if make_venv():
        done = run_quietly([str(venv_python()), *pip, "--editable", requirement])
        if done.returncode == 0:
            return "venv"
        raise SetupError(f"pip could not install the project: {last_line(done.stdout)}")
    if run_quietly([sys.executable, "-m", "pip", "--version"]).returncode != 0:
        raise SetupError(f"{sys.executable} has neither a working venv nor pip: install one of them (Debian: apt-get install python3-pip)")
    # --target installs beside what is there without removing it, so a changed set starts from an empty folder.
    shutil.rmtree(TARGET, ignore_errors=True)
    done = run_quietly([sys.executable, *pip, "--upgrade", "--target", str(TARGET), requirement])
    if done.returncode != 0:
        raise SetupError(f"pip could not install the project: {last_line(done.stdout)}")
    # The copy of the project itself must not shadow the checkout; its metadata (entry points) stays.
    shutil.rmtree(TARGET / "flake8_mongo_threads", ignore_errors=True)
    return "target"


def set_up(*extras: str) -> tuple[str, dict[str, str]]:
    """Make sure the extras are installed. Returns the interpreter to use and its environment. Raises SetupError."""
    with lock():
        stamp, wanted = read_stamp(), wanted_hash()
        installed = stamp.get("extras")
        present = set(installed) if isinstance(installed, list) else set()
        how = str(stamp.get("how", ""))
        usable = (how == "venv" and venv_python().exists()) or (how == "target" and TARGET.is_dir())
        if not (usable and stamp.get("hash") == wanted and present.issuperset(extras)):
            print("setting up (once) …", file=sys.stderr, flush=True)
            STAMP.unlink(missing_ok=True)
            together = sorted(present.union(extras))
            how = install(together)
            STAMP.write_text(json.dumps({"hash": wanted, "extras": together, "how": how}), encoding="utf-8")
    environment = dict(os.environ)
    # The tests start hundreds of processes: they share what was compiled, also where bytecode is not written beside the sources.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(HOME / "pycache")
    if how == "venv":
        return str(venv_python()), environment
    paths = [str(ROOT), str(TARGET), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return sys.executable, environment


def run(python: str, environment: dict[str, str], *arguments: str) -> int:
    """Run a Python command in the project's folder, its output going straight to the user."""
    sys.stdout.flush()
    return subprocess.run([python, *arguments], cwd=ROOT, env=environment, check=False).returncode


def demo(arguments: list[str]) -> int:
    """Show what a user sees: the findings in the programs of ``fixtures/demo``."""
    python, environment = set_up()
    print("$ mongo-threads check fixtures/demo", flush=True)
    code = run(python, environment, "-m", "flake8_mongo_threads", "check", "--isolated", "fixtures/demo", *arguments)
    if code != 1:
        print(f"dev.py: the demo was to end with findings (exit code 1), but ended with {code}", file=sys.stderr)
        return 1
    print("\nThese programs are wrong on purpose. `mongo-threads explain CODE` tells more about a finding.")
    return 0


def test(arguments: list[str]) -> int:
    """Run the tests, as many at once as there are processors; arguments go to pytest."""
    python, environment = set_up("lsp", "test")
    return run(python, environment, "-m", "pytest", "-n", "auto", "--dist", "loadgroup", *arguments)


def slow(arguments: list[str]) -> int:
    """Run the tests that take minutes; arguments go to pytest."""
    python, environment = set_up("docs", "lsp", "test")
    return run(python, environment, "-m", "pytest", "-m", "slow", "--timeout", "3600", *arguments)


def lint(arguments: list[str]) -> int:
    """Run ruff, mypy in strict mode, and the check that generated documents are up to date."""
    python, environment = set_up("lint", "lsp", "test")
    commands = (
        ("ruff", ("-m", "ruff", "check", *(arguments or ["."]))),
        ("mypy", ("-m", "mypy")),
        ("documents", ("tools/gen_docs.py", "--check")),
    )
    failed = [name for name, command in commands if run(python, environment, *command) != 0]
    if failed:
        print(f"dev.py: lint failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def docs(arguments: list[str]) -> int:
    """Build the documentation site into site/, with a playground; --serve shows it on this machine."""
    python, environment = set_up("docs")
    return run(python, environment, "tools/build_site.py", *arguments)


def pythons(arguments: list[str]) -> int:
    """Run the tests on every supported Python that is here, with the oldest and newest flake8 and libcst."""
    return run(sys.executable, dict(os.environ), "tools/pythons.py", *arguments)


COMMANDS = {"demo": demo, "test": test, "lint": lint, "slow": slow, "docs": docs, "pythons": pythons}


def main(arguments: list[str]) -> int:
    """Run one command. Returns its exit code."""
    if sys.version_info < (3, 10):  # noqa: UP036 - run by whatever python3 is, before anything is installed
        print(f"dev.py: Python 3.10 or newer is needed, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    if not arguments or arguments[0] not in COMMANDS:
        for name, command in COMMANDS.items():
            print(f"python3 dev.py {name:7} {(command.__doc__ or '').splitlines()[0]}")
        asked_for_help = bool(arguments) and arguments[0] in ("-h", "--help", "help")
        if arguments and not asked_for_help:
            print(f"dev.py: unknown command {arguments[0]!r}", file=sys.stderr)
        return 0 if asked_for_help else 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except SetupError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
