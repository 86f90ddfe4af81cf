"""Build the driver model from the released sources of PyMongo and Motor.

    python tools/build_driver_model.py                 # newest patches of every minor release: write the data
    python tools/build_driver_model.py --diff          # print what would change, write nothing
    python tools/build_driver_model.py --check         # as --diff, over the releases already in the data; exit 1 on any change

Nothing of the drivers is imported or run: wheels and source archives are read with ``ast``. Needs pip, and Python 3.10 to
3.12 (``lib2to3`` reads the sources of PyMongo 2). Motor 0.7 to 1.1 exist only as source archives, which pip unpacks by running their
``setup.py``: have ``setuptools<60`` and ``wheel`` installed. ``--archives`` keeps the downloads for the next run.
"""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.driver_model import compare, fold, kinds, releases, render, scan  # noqa: E402
from tools.driver_model.records import Release  # noqa: E402

DATA = ROOT / "flake8_mongo_threads" / "driver"


def read_releases(versions: dict[str, list[str]], archives: Path | None) -> list[Release]:
    """Download and scan, oldest first within each distribution."""
    read = releases.read_all(versions, archives)
    scanned: dict[str, scan.Distribution] = {}
    out = []
    for version in versions["pymongo"]:
        archive = read["pymongo", version]
        scanned[version] = scan.Distribution(archive.sources)
        out.append(scan.release("pymongo", version, scanned[version], *archive[1:]))
    for version in versions["motor"]:
        below = releases.PYMONGO_OF_MOTOR.get(releases.minor_of(version), "")
        minor = releases.minor_of(below) if below else ""
        base = next((name for name in versions["pymongo"] if releases.minor_of(name) == minor), versions["pymongo"][-1])
        archive = read["motor", version]
        out.append(scan.release("motor", version, scan.Distribution(archive.sources, scanned[base]), *archive[1:]))
    return out


def texts(found: list[Release], data: dict[str, object]) -> dict[str, str]:
    """File name -> text of the two generated modules."""
    table = kinds.table([kinds.Version(release.dist, release.version, release.classes) for release in found])
    paths = {
        f"{module}.{name}": f"{entry.module}.{entry.name}"
        for release in found
        for module, names in release.modules.items()
        for name, entry in names.items()
        if entry.kind == "c"
    }
    return {
        "_api_data.py": render.api_module(data),
        "_kinds_data.py": render.kinds_module(table, kinds.operations(table), kinds.spellings(paths)),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run; return the exit code: 1 when --check finds a difference."""
    parser = argparse.ArgumentParser(description="Build the driver model from the released sources of PyMongo and Motor.")
    parser.add_argument("--archives", type=Path, help="keep the downloaded archives here, and take them from here")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--diff", action="store_true", help="print what would change and write nothing")
    mode.add_argument("--check", action="store_true", help="rebuild from the releases already in the data; exit 1 when anything differs")
    options = parser.parse_args(arguments)
    try:
        from flake8_mongo_threads.driver import _api_data

        old = compare.committed(_api_data)
    except ImportError:
        old = None
    if options.check and old is None:
        parser.error("there is no data to check")
    started = time.monotonic()
    versions: dict[str, list[str]] = (
        old["versions"] if options.check and old is not None else {dist: releases.published(dist) for dist in releases.FIRST}
    )
    found = read_releases(versions, options.archives)
    data = fold.Fold(found).data()
    changes = list(compare.differences(compare.state(old), compare.state(data))) if old is not None else []
    for line in changes:
        print(line)
    stale = []
    for name, text in texts(found, data).items():
        path = DATA / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not options.diff and not options.check:
            path.write_text(text, encoding="utf-8")
    print(
        f"{len(found)} releases in {time.monotonic() - started:.0f} s; {len(changes)} changes; "
        f"{', '.join(stale) or 'no file'} {'differs' if options.diff or options.check else 'written'}"
    )
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
