"""List every call whose method name is a driver operation, with the kind the model gives its receiver, or why it is unknown.

    python tools/kinds.py PATH…                 recall by shape of the receiver, unknown sites ranked by the failing step
    python tools/kinds.py --sites PATH…         every site as path:line:col, kind or failing step
    python tools/kinds.py --labels FILE ROOT    precision and recall against hand-made labels (a tab-separated file:
                                                path below ROOT, line, method name, kind or "-" when it is no driver object)

Only names that are all but unique to MongoDB count for recall: ``find_one`` does, ``find`` or ``update`` do not. Nothing
of the code that is read is imported or run.
"""

import argparse
import ast
import collections
import csv
import pathlib
import sys
from typing import NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from flake8_mongo_threads.config import Config
from flake8_mongo_threads.driver import kinds
from flake8_mongo_threads.engine import build
from flake8_mongo_threads.semantics.explanation import reason, receiver_kind, shape
from flake8_mongo_threads.source import DecodeError, Source, decode

UNIQUE = frozenset(
    (
        "find_one", "insert_one", "insert_many", "update_one", "update_many", "delete_one", "delete_many", "replace_one", "find_one_and_update", "find_one_and_replace",
        "find_one_and_delete", "count_documents", "estimated_document_count", "bulk_write", "list_collection_names", "create_indexes", "drop_indexes", "index_information",
        "list_database_names", "find_raw_batches", "aggregate_raw_batches", "find_and_modify", "ensure_index", "start_transaction", "with_transaction",
    )
)  # fmt: skip
"""Names of operations that hardly any other library has."""


class Site(NamedTuple):
    """One call of a method that is named like a driver operation."""

    path: str
    line: int
    col: int
    method: str
    shape: str
    """Shape of the receiver: self attribute, name, global, parameter, import, call, subscript."""
    kind: str
    """``flavour family``, ``-`` for an object known to be something else, empty when unknown."""
    why: str
    """The failing step when unknown."""


def sites(path: pathlib.Path, names: frozenset[str]) -> list[Site]:
    """Every site of one file; an unreadable or broken file has none."""
    try:
        text = decode(path.read_bytes()).text
        tree = ast.parse(text)
    except (OSError, DecodeError, SyntaxError, ValueError, RecursionError):
        return []
    if not any(name in text for name in names):
        return []
    module = build(Source.from_text(str(path), text), tree, Config())
    found = []
    for call in module.index.calls:
        func = call.func
        if not isinstance(func, ast.Attribute) or func.attr not in names:
            continue
        span = module.source.name_span(call)
        kind = receiver_kind(module, func.value)
        why = "" if kind else reason(module, func.value)
        found.append(Site(str(path), span.line, span.col + 1, func.attr, shape(module, func.value), kind, why))
    return found


def collect(paths: list[str], names: frozenset[str]) -> list[Site]:
    """The sites of files and folders."""
    found: list[Site] = []
    for text in paths:
        path = pathlib.Path(text)
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                found.extend(sites(file, names))
    return found


def report(found: list[Site]) -> None:
    """Print recall by shape and the unknown sites by failing step."""
    total = collections.Counter(site.shape for site in found)
    known = collections.Counter(site.shape for site in found if site.kind)
    print(f"{'shape':12} {'sites':>7} {'known':>7} {'recall':>7}")
    for name, count in total.most_common():
        print(f"{name:12} {count:7} {known[name]:7} {known[name] / count:7.1%}")
    everything = sum(total.values())
    print(f"{'all':12} {everything:7} {sum(known.values()):7} {sum(known.values()) / max(everything, 1):7.1%}")
    print()
    for why, count in collections.Counter(site.why for site in found if not site.kind).most_common(25):
        print(f"{count:6}  {why}")


def judge(labels: str, root: str) -> int:
    """Print precision and recall against labels; exit code 1 when a label's site is gone."""
    rows = []
    with open(labels, encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.reader(stream, delimiter="\t") if row and not row[0].startswith("#")]
    by_file: dict[str, list[list[str]]] = {}
    for row in rows:
        by_file.setdefault(row[0], []).append(row)
    right = wrong = unknown = missing = silent = 0
    names = frozenset(row[2] for row in rows)
    for path, wanted in sorted(by_file.items()):
        found = {(s.line, s.method): s for s in sites(pathlib.Path(root, path), names)}
        for _, line, method, kind, *_ in wanted:
            site = found.get((int(line), method))
            if site is None:
                missing += 1
                print(f"no such site: {path}:{line} {method}")
            elif kind == "-":
                wrong += site.kind not in ("", "-")
                silent += site.kind in ("", "-")
            elif site.kind == kind:
                right += 1
            elif site.kind in ("", "-"):
                unknown += 1
                print(f"unknown: {path}:{line} {method} should be {kind} ({site.why})")
            else:
                wrong += 1
                print(f"wrong: {path}:{line} {method} is {kind}, not {site.kind}")
    print(f"labels {len(rows)}, right {right}, unknown {unknown}, wrong {wrong}, rightly silent {silent}, gone {missing}")
    print(f"recall {right / max(right + unknown + wrong, 1):.1%}  precision {right / max(right + wrong, 1):.1%}")
    return 1 if missing else 0


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--sites", action="store_true", help="print every site")
    parser.add_argument("--all-names", action="store_true", help="every name of a driver operation, also common words")
    parser.add_argument("--labels", help="hand-made labels to compare with")
    arguments = parser.parse_args()
    if arguments.labels:
        return judge(arguments.labels, arguments.paths[0])
    found = collect(arguments.paths, kinds.OPERATION_NAMES if arguments.all_names else UNIQUE)
    if arguments.sites:
        for site in found:
            print(f"{site.path}:{site.line}:{site.col}: {site.method} [{site.shape}] {site.kind or 'unknown: ' + site.why}")
    else:
        report(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
