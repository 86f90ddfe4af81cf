"""What changed between two states of the model, for people."""

import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

State = dict[str, dict[str, str]]
"""Topic -> thing -> text of where it exists."""


def _since(versions: list[str], mask: int) -> str:
    have = [version for index, version in enumerate(versions) if mask >> index & 1]
    runs: list[list[str]] = []
    previous = -2
    for version in have:
        index = versions.index(version)
        if index == previous + 1:
            runs[-1][1] = version
        else:
            runs.append([version, version])
        previous = index
    return ", ".join(first if first == last else f"{first}..{last}" for first, last in runs)


def state(data: dict[str, Any]) -> State:
    """Flatten what ``fold.Fold.data`` makes to comparable texts."""
    masks, versions, signatures = data["masks"], data["versions"], data["signatures"]
    out: State = {"releases": {}, "modules": {}, "names": {}, "members": {}, "functions": {}, "options": {}}
    for dist, releases in versions.items():
        for release, (python, pymongo) in zip(releases, data["requires"][dist], strict=True):
            out["releases"][f"{dist} {release}"] = f"python{python} pymongo{pymongo}"

    def releases_of(path: str) -> list[str]:
        return list(versions["motor" if path.split(".", maxsplit=1)[0] == "motor" else "pymongo"])

    for module, row in data["modules"].items():
        out["modules"][module] = _since(releases_of(module), masks[row[0]])
        for name, spec in row[3].items():
            rows = [[spec, "v", ""]] if isinstance(spec, int) else spec
            mask = 0
            for each in rows:
                mask |= masks[each[0] or row[0]]
            out["names"][f"{module}.{name}"] = _since(releases_of(module), mask)
    for path, row in data["members"].items():
        out["modules"][path] = _since(releases_of(path), masks[row[0]])
        for name, spec in row[3].items():
            rows = [[0, spec]] if isinstance(spec, str) else spec
            texts = []
            for each in rows:
                text = f"({signatures[each[2]]})" if len(each) > 2 else ""
                texts.append(f"{each[1]}{text} in {_since(releases_of(path), masks[each[0] or row[0]])}")
            out["members"][f"{path}.{name}"] = "; ".join(texts)
    for module, functions in data["functions"].items():
        for name, rows in functions.items():
            out["functions"][f"{module}.{name}"] = "; ".join(
                f"({signatures[each[2]]}) in {_since(releases_of(module), masks[each[0]])}" for each in rows
            )
    for option, (mask, spelling, validator) in data["options"].items():
        out["options"][option] = f"{spelling} {validator} in {_since(versions['pymongo'], masks[mask])}"
    return out


def committed(module: ModuleType) -> dict[str, Any]:
    """The data of a ``_api_data`` module in the form of ``fold.Fold.data``."""
    data: dict[str, Any] = json.loads(module.HEAD)
    for key, texts in (("modules", module.MODULES), ("members", module.MEMBERS), ("functions", module.FUNCTIONS)):
        data[key] = {name: json.loads(text) for name, text in texts.items()}
    return data


def differences(old: State, new: State) -> Iterator[str]:
    """One line per thing that came, went or changed."""
    for topic in new:
        for thing in sorted(old[topic].keys() | new[topic].keys()):
            before, after = old[topic].get(thing), new[topic].get(thing)
            if before == after:
                continue
            if before is None:
                yield f"+ {topic}: {thing} {after}".rstrip()
            elif after is None:
                yield f"- {topic}: {thing} {before}".rstrip()
            else:
                yield f"~ {topic}: {thing}: {before} -> {after}"
