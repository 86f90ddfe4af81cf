"""Which releases exist, and their Python sources, through pip."""

import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

FIRST = {"pymongo": (2, 7), "motor": (0, 7)}
"""Oldest minor release that is indexed in full, by distribution."""

PACKAGES = ("pymongo", "bson", "gridfs", "motor")

_WHEELS_PYMONGO_4 = (("win_amd64", "311", "cp311"), ("win_amd64", "39", "cp39"), ("win_amd64", "314", "cp314"))
_WHEELS_PYMONGO = (
    ("win_amd64", "27", "cp27m"),
    ("win_amd64", "37", "cp37m"),
    ("macosx_10_9_intel", "27", "cp27m"),
    ("macosx_10_8_intel", "27", "none"),
    ("win_amd64", "27", "none"),
)
"""Any wheel will do, the Python files are the same: a wheel needs no build step. Platform, Python, ABI."""

PYMONGO_OF_MOTOR = {
    "0.7": "2.9.5",
    "1.0": "3.3.1",
    "1.1": "3.4.0",
    "1.2": "3.6.1",
    "1.3": "3.6.1",
    "2.0": "3.7.2",
    "2.1": "3.10.1",
    "2.2": "3.11.4",
    "2.3": "3.11.4",
    "2.4": "3.11.4",
    "2.5": "3.12.3",
    "3.0": "4.1.1",
    "3.1": "4.3.3",
    "3.2": "4.4.1",
    "3.3": "4.6.3",
    "3.4": "4.7.3",
    "3.5": "4.8.0",
    "3.6": "4.9.2",
}
"""The PyMongo that a Motor minor was made for: its ``from pymongo.x import Y`` is resolved there. Newer Motor: the newest."""


class DownloadError(RuntimeError):
    """A release could not be fetched; the text says which and why."""


def version_key(version: str) -> tuple[int, ...]:
    """Sort key of a final release."""
    return tuple(int(part) for part in version.split("."))


def minor_of(version: str) -> str:
    """``4.9.2`` -> ``4.9``."""
    return ".".join(version.split(".")[:2])


def published(dist: str) -> list[str]:
    """The last patch of every minor release from FIRST on, oldest first, as the package index lists them."""
    out = subprocess.run(
        [sys.executable, "-m", "pip", "index", "versions", dist, "--disable-pip-version-check"], capture_output=True, text=True, check=True
    ).stdout
    match = re.search(r"Available versions: (.*)", out)
    if not match:
        raise DownloadError(f"pip index versions {dist} lists no versions")
    last: dict[tuple[int, ...], str] = {}
    for version in match.group(1).split(", "):
        if not re.fullmatch(r"\d+(\.\d+)+", version):
            continue
        key = version_key(version)
        if key[:2] >= FIRST[dist] and (key[:2] not in last or key > version_key(last[key[:2]])):
            last[key[:2]] = version
    return [last[key] for key in sorted(last)]


def download(dist: str, version: str, folder: Path) -> Path:
    """Fetch one release into ``folder/<dist>-<version>/`` unless it is there; return the archive. Raises DownloadError."""
    place = folder / f"{dist}-{version}"
    place.mkdir(parents=True, exist_ok=True)
    for archive in sorted(place.iterdir()):
        return archive
    base = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    base += ["--dest", str(place), f"{dist}=={version}"]
    attempts = []
    if dist == "pymongo":
        for platform, python, abi in _WHEELS_PYMONGO_4 if version.startswith("4.") else _WHEELS_PYMONGO:
            attempts.append(
                ["--only-binary=:all:", "--platform", platform, "--python-version", python, "--abi", abi, "--implementation", "cp"]
            )
    else:
        attempts.append(["--only-binary=:all:", "--ignore-requires-python"])
    # pip runs setup.py of a source archive to read its metadata: setuptools < 60 and wheel must be installed.
    attempts.append(["--no-binary=:all:", "--no-build-isolation", "--ignore-requires-python"])
    error = ""
    for extra in attempts:
        done = subprocess.run(base + extra, check=False, capture_output=True, text=True)
        for archive in sorted(place.iterdir()):
            return archive
        error = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"pip ended with {done.returncode}"
    raise DownloadError(f"{dist} {version}: {error}")


def sources(archive: Path) -> dict[str, tuple[str, bool]]:
    """Module -> (source text, whether it is a package) of the drivers' packages in a wheel or source archive."""
    found: dict[str, tuple[str, bool]] = {}

    def keep(path: str, data: bytes) -> None:
        parts = path[: -len(".py")].split("/")
        package = parts[-1] == "__init__"
        if package:
            parts.pop()
        if parts and parts[0] in PACKAGES:
            found[".".join(parts)] = (data.decode("utf-8", "replace"), package)

    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                if name.endswith(".py"):
                    keep(name, wheel.read(name))
    else:
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                if member.isfile() and member.name.endswith(".py") and "/" in member.name:
                    file = tar.extractfile(member)
                    if file is not None:
                        keep(member.name.split("/", 1)[1], file.read())
    for module in list(found):  # implicit namespace packages (gridfs.synchronous before 4.13)
        parts = module.split(".")
        for end in range(1, len(parts)):
            found.setdefault(".".join(parts[:end]), ("", True))
    return found


def requirements(archive: Path) -> tuple[str, str]:
    """``Requires-Python`` and the specifier of the required PyMongo (Motor), from the metadata of an archive; empty when not stated."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            names = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
            text = wheel.read(names[0]).decode("utf-8", "replace") if names else ""
    else:
        with tarfile.open(archive) as tar:
            files = [tar.extractfile(name) for name in tar.getnames() if name.endswith(".egg-info/requires.txt")]
            lines = b"\n".join(file.read() for file in files if file is not None).decode("utf-8", "replace").split("\n[")[0]
            text = "".join(f"Requires-Dist: {line}\n" for line in lines.splitlines())
    text = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]  # what follows the headers is the description
    python = re.search(r"(?m)^Requires-Python: (.*?)\s*$", text)
    pymongo = re.search(r"(?m)^Requires-Dist: pymongo\s*\(?([<>=!~][^;)]*?)\)?\s*$", text)
    found = (python.group(1) if python else "", pymongo.group(1) if pymongo else "")
    return found[0].replace(" ", ""), found[1].replace(" ", "")


class Archive(NamedTuple):
    """What is read of one release's archive."""

    sources: dict[str, tuple[str, bool]]
    requires_python: str
    requires_pymongo: str


def read_all(versions: dict[str, list[str]], folder: Path | None) -> dict[tuple[str, str], Archive]:
    """(distribution, version) -> contents. Archives are kept in ``folder``, or in a temporary one that is removed."""
    out: dict[tuple[str, str], Archive] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for dist, releases in versions.items():
            for version in releases:
                archive = download(dist, version, folder or Path(temporary))
                out[dist, version] = Archive(sources(archive), *requirements(archive))
    return out
