"""List every call whose method name is a driver operation, with the kind the model gives its receiver, or why it is unknown.

    python tools/kinds.py PATH…                        recall by shape of the receiver, unknown sites ranked by the failing step
    python tools/kinds.py --sites PATH…                every site as path:line:col, kind or failing step
    python tools/kinds.py --ranked --projects DIR      unknown sites of every checkout in DIR, ranked by cause
    python tools/kinds.py --labels FILE --projects DIR recall and precision against labels made by hand, overall and by shape
    python tools/kinds.py --sample 300 --seed 4 --projects DIR OWNER/NAME…
                                                       sites to be labelled: the same number from every project, half of them with
                                                       names that hardly any other library has, the rest spread over the names

A checkout of ``owner/name`` is the folder ``owner/name``, ``owner+name`` or ``name`` of DIR. Labels are tab-separated:
project, version, path, line, column of the method's name (from 1), method, kind (``sync collection``, or ``none`` when the
receiver is no object of the driver's). A site whose line has changed is counted as gone, not as wrong.

Only names that are all but unique to MongoDB count for recall without labels: ``find_one`` does, ``find`` or ``update`` do
not. Nothing of the code that is read is imported or run.
"""

import argparse
import ast
import collections
import csv
import pathlib
import random
import sys
from collections.abc import Iterator
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


class Label(NamedTuple):
    """One site with its true kind, from the reading of the code."""

    project: str
    version: str
    path: str
    line: int
    col: int
    method: str
    kind: str


def labels_of(file: str) -> list[Label]:
    """The labels of a file; raises ValueError with the row when one is not of the documented form."""
    found = []
    with open(file, encoding="utf-8", newline="") as stream:
        for row in csv.reader(stream, delimiter="\t"):
            if row and not row[0].startswith("#"):
                if len(row) != len(Label._fields) or not (row[3].isdigit() and row[4].isdigit()):
                    raise ValueError(f"{file}: not a label: {row}")
                found.append(Label(row[0], row[1], row[2], int(row[3]), int(row[4]), row[5], row[6]))
    return found


def checkout(projects: pathlib.Path, name: str) -> pathlib.Path:
    """The folder of a project among the checkouts."""
    for candidate in (name, name.replace("/", "+"), name.rpartition("/")[2]):
        if projects.joinpath(candidate).is_dir():
            return projects / candidate
    return projects / name


def judge(file: str, projects: pathlib.Path) -> int:
    """Print recall and precision against labels, overall and by shape of the receiver; exit code 1 when a label's site is gone."""
    labels = labels_of(file)
    names = frozenset(label.method for label in labels)
    by_file: dict[tuple[str, str], list[Label]] = {}
    for label in labels:
        by_file.setdefault((label.project, label.path), []).append(label)
    right: collections.Counter[str] = collections.Counter()
    unknown: collections.Counter[str] = collections.Counter()
    wrong: collections.Counter[str] = collections.Counter()
    false: collections.Counter[str] = collections.Counter()
    silent = gone = 0
    for (project, path), wanted in sorted(by_file.items()):
        found = {(s.line, s.col, s.method): s for s in sites(checkout(projects, project) / path, names)}
        for label in wanted:
            place = f"{project}: {label.path}:{label.line}:{label.col} {label.method}"
            site = found.get((label.line, label.col, label.method))
            if site is None:
                gone += 1
                print(f"gone     {place}")
                continue
            given = "none" if site.kind in ("", "-") else site.kind
            if given == label.kind:
                if given == "none":
                    silent += 1
                else:
                    right[site.shape] += 1
            elif given == "none":
                unknown[site.shape] += 1
                print(f"unknown  {place} should be {label.kind} ({site.why or 'taken for something else'})")
            elif label.kind == "none":
                false[site.shape] += 1
                print(f"false    {place} is no driver object, not a {given}")
            else:
                wrong[site.shape] += 1
                print(f"wrong    {place} is a {label.kind}, not a {given}")
    print(f"\n{'shape':12} {'objects':>8} {'right':>6} {'unknown':>8} {'wrong':>6} {'false':>6} {'recall':>8} {'precision':>10}")
    shapes = sorted(right | unknown | wrong | false, key=lambda s: -(right[s] + unknown[s] + wrong[s]))
    for shape_name in (*shapes, "all"):
        r, u, w, f = (sum(c.values()) if shape_name == "all" else c[shape_name] for c in (right, unknown, wrong, false))
        recall, precision = r / max(r + u + w, 1), r / max(r + w + f, 1)
        print(f"{shape_name:12} {r + u + w:8} {r:6} {u:8} {w:6} {f:6} {recall:8.1%} {precision:10.1%}")
    print(f"{len(labels)} labels; rightly silent on {silent} sites that are no driver object's; gone {gone}")
    return 1 if gone else 0


def folders(projects: pathlib.Path) -> Iterator[tuple[str, pathlib.Path]]:
    """The checkouts of a folder, with their names."""
    for folder in sorted(projects.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            yield folder.name.replace("+", "/"), folder


def ranked(projects: pathlib.Path, names: frozenset[str]) -> None:
    """Print the sites of every checkout, how many are known, and the causes of the unknown ones, most frequent first."""
    for name, folder in folders(projects):
        found = collect([str(folder)], names)
        if found:
            causes = collections.Counter(site.why for site in found if not site.kind)
            known = sum(1 for site in found if site.kind)
            print(f"{name}: {len(found)} sites, {known} known, {len(found) - known} unknown", flush=True)
            for why, count in causes.most_common(5):
                print(f"{count:6}  {why}")


def sample(projects: pathlib.Path, names: list[str], size: int, seed: int) -> None:
    """Print sites to be labelled, chosen by a seed: the columns of a label without version and kind."""
    generator = random.Random(seed)
    pools: dict[str, list[list[Site]]] = {}
    for name in names:
        folder = checkout(projects, name)
        found = [s._replace(path=str(pathlib.Path(s.path).relative_to(folder))) for s in collect([str(folder)], kinds.OPERATION_NAMES)]
        telling = sorted(s for s in found if s.method in UNIQUE)
        common = sorted(s for s in found if s.method not in UNIQUE)
        pools[name] = [generator.sample(telling, len(telling)), _spread(generator, generator.sample(common, len(common)))]
    chosen: list[tuple[str, Site]] = []
    turn = 0
    while len(chosen) < size and any(any(pool) for pool in pools.values()):
        for name, pool in pools.items():
            source = pool[turn % 2] or pool[1 - turn % 2]
            if source and len(chosen) < size:
                chosen.append((name, source.pop()))
        turn += 1
    for name, site in sorted(chosen):
        print(name, site.path, site.line, site.col, site.method, sep="\t")


def _spread(generator: random.Random, found: list[Site]) -> list[Site]:
    """Sites in an order in which every method name comes once before any comes twice; to be taken from the end."""
    by_name: dict[str, list[Site]] = {}
    for site in found:
        by_name.setdefault(site.method, []).append(site)
    order: list[Site] = []
    while by_name:
        turn = sorted(by_name)
        generator.shuffle(turn)
        order.extend(by_name[name].pop() for name in turn)
        by_name = {name: group for name, group in by_name.items() if group}
    return order[::-1]


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", help="files and folders, or with --sample the names of projects")
    parser.add_argument("--sites", action="store_true", help="print every site")
    parser.add_argument("--all-names", action="store_true", help="every name of a driver operation, also common words")
    parser.add_argument("--projects", type=pathlib.Path, metavar="DIR", help="a folder of checkouts")
    parser.add_argument("--labels", metavar="FILE", help="labels made by hand, to compare with")
    parser.add_argument("--ranked", action="store_true", help="unknown sites of every checkout, ranked by cause")
    parser.add_argument("--sample", type=int, metavar="N", help="choose N sites to be labelled")
    parser.add_argument("--seed", type=int, default=4, help="of the sample")
    arguments = parser.parse_args()
    names = kinds.OPERATION_NAMES if arguments.all_names else UNIQUE
    if arguments.labels or arguments.ranked or arguments.sample:
        if arguments.projects is None or not arguments.projects.is_dir():
            parser.error("--projects: a folder of checkouts is needed")
        if arguments.labels:
            return judge(arguments.labels, arguments.projects)
        if arguments.ranked:
            ranked(arguments.projects, names)
        else:
            sample(arguments.projects, arguments.paths, arguments.sample, arguments.seed)
        return 0
    if not arguments.paths:
        parser.error("nothing to look at")
    found = collect(arguments.paths, names)
    if arguments.sites:
        for site in found:
            print(f"{site.path}:{site.line}:{site.col}: {site.method} [{site.shape}] {site.kind or 'unknown: ' + site.why}")
    else:
        report(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
