"""Which options ``MongoClient`` accepts: the validators of ``pymongo.common`` and their aliases."""

import ast
import re
from collections.abc import Mapping

from tools.driver_model.syntax import assignment, dotted, executed, literal_strings

_MODULES = ("pymongo.common", "pymongo.uri_parser", "pymongo.uri_parser_shared", "pymongo.client_options", "pymongo.mongo_client")


_VALIDATOR_MAPS = (
    "VALIDATORS",
    "URI_OPTIONS_VALIDATOR_MAP",
    "NONSPEC_OPTIONS_VALIDATOR_MAP",
    "KW_VALIDATORS",
    "TIMEOUT_VALIDATORS",
    "AUTH_VALIDATORS",
)


def _literal_map(value: ast.expr | None) -> dict[str, ast.expr]:
    if isinstance(value, ast.Call) and value.args:
        value = value.args[0]
    if not isinstance(value, ast.Dict):
        return {}
    return {
        key.value: each
        for key, each in zip(value.keys, value.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def client_options(trees: Mapping[str, ast.Module]) -> dict[str, str]:
    """Option as the documentation of ``MongoClient`` spells it -> name of its validator (empty where it is set in a loop).

    The constructor compares keys in lower case and refuses what is not in ``VALIDATORS``.
    """
    keys: dict[str, list[str]] = {}
    maps: dict[str, dict[str, ast.expr]] = {}
    for module in _MODULES:
        if module not in trees:
            continue
        local: dict[str, list[str]] = {}
        for statement in executed(trees[module].body, None):
            assigned = assignment(statement)
            if assigned is not None and assigned[1] is not None:
                for target in assigned[0]:
                    if isinstance(target, ast.Name):
                        found = literal_strings(assigned[1], local)
                        if found is not None:
                            local[target.id] = list(found)
                        maps.setdefault(target.id, {}).update(_literal_map(assigned[1]))
                    elif (
                        isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) and isinstance(target.slice, ast.Constant)
                    ):
                        local.setdefault(target.value.id, []).append(str(target.slice.value))
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                function = statement.value.func
                if isinstance(function, ast.Attribute) and function.attr == "update":
                    name = dotted(function.value)
                    for argument in statement.value.args:
                        found = literal_strings(argument, local)
                        if found and name:
                            local.setdefault(name, []).extend(found)
        for name, found in local.items():
            keys.setdefault(name, []).extend(found)
    accepted = set(keys.get("VALIDATORS", ()))
    for value in maps.get("URI_OPTIONS_ALIAS_MAP", {}).values():
        accepted.update(literal_strings(value) or ())
    validators: dict[str, str] = {}
    for name in _VALIDATOR_MAPS:
        for key, each in maps.get(name, {}).items():
            validators.setdefault(key, dotted(each) or "")
    spelling = _documented(trees)
    return {spelling.get(name.lower(), name): validators.get(name, "") for name in sorted(accepted)}


def _documented(trees: Mapping[str, ast.Module]) -> dict[str, str]:
    """Option in lower case -> its spelling in the documentation of the client's constructor."""
    out: dict[str, str] = {}
    for module in ("pymongo.mongo_client", "pymongo.synchronous.mongo_client"):
        for node in ast.walk(trees[module]) if module in trees else ():
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                for word in re.findall(r"`(\w+)`", ast.get_docstring(node, clean=False) or ""):
                    out.setdefault(word.lower(), word)
    return out
