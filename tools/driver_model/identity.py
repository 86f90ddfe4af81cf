"""One id per class and function over its whole history.

A public path whose target moved keeps the id it had first: ``pymongo.collection.Collection`` is defined there up to 4.8 and
in ``pymongo.synchronous.collection`` since, and is one class. Without this every question over a range of releases
would see a break at 4.9.
"""

from collections.abc import Iterable

from tools.driver_model.records import Release
from tools.driver_model.releases import PACKAGES


class Identities:
    """Maps the path where a release defines something to its id."""

    def __init__(self, releases: Iterable[Release]) -> None:
        self._parent: dict[str, str] = {}
        self._order: dict[str, int] = {}
        previous: dict[str, dict[str, str]] = {}
        for release in releases:
            current = self._targets(release)
            live = set(current.values())
            for path, target in current.items():
                before = previous.get(release.dist, {}).get(path)
                moved = before is not None and before != target and before not in live
                if before is not None and moved and target.rpartition(".")[2] == before.rpartition(".")[2]:
                    self._join(before, target)
            previous[release.dist] = current

    def _targets(self, release: Release) -> dict[str, str]:
        out = {}
        for module, names in release.modules.items():
            for name, entry in names.items():
                top = entry.module.split(".")[0]
                if entry.kind in "cf" and top in PACKAGES and not (release.dist == "motor" and top != "motor"):
                    target = f"{entry.module}.{entry.name}"
                    out[f"{module}.{name}"] = target
                    self._order.setdefault(target, len(self._order))
        return out

    def _root(self, path: str) -> str:
        while self._parent.get(path, path) != path:
            path = self._parent[path]
        return path

    def _join(self, before: str, after: str) -> None:
        first, second = self._root(before), self._root(after)
        if first != second:
            if self._order[first] > self._order[second]:
                first, second = second, first
            self._parent[second] = first

    def __call__(self, path: str) -> str:
        """The id of what is defined at ``path``."""
        return self._root(path).replace("pymongo.synchronous.", "pymongo.").replace("gridfs.synchronous.", "gridfs.")
