"""The fixes of client options that the driver does not know any more: as keywords, and inside a literal URI."""

import ast
import re
from typing import TYPE_CHECKING

from flake8_mongo_threads.driver import api, renames
from flake8_mongo_threads.edits import Edit, RemoveKeyword, RenameKeyword, ReplaceExpr
from flake8_mongo_threads.findings import Applicability, Fix
from flake8_mongo_threads.rules.repair import anchor, replace
from flake8_mongo_threads.semantics.options import KEYWORD, URI, OptionUse
from flake8_mongo_threads.semantics.syntax import last_name

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module


def known_option(module: "Module", use: OptionUse) -> Fix | None:
    """The option under the name of today, or without it where it does nothing; None where its value does not say what it means."""
    present = {(item.arg or "").lower() for item in use.call.keywords}
    if use.where == KEYWORD and isinstance(use.node, ast.keyword):
        changed = _changed_value(use, use.node)
        if changed is not None:
            new, value = changed
            if new == "authMechanismProperties" and new.lower() in present:
                return _merged(module, use, value[1:-1])
            if new.lower() in present:
                return None
            return _written(module, use, new, value) if new else _dropped(module, use)
    replacement = use.replacement
    mechanical = replacement is not None and replacement.fix == renames.AUTO
    spelling = replacement is None and use.suggestion.lower() == use.key.lower().replace("_", "")
    if not mechanical and not spelling:
        return None
    new = use.suggestion
    drop = not new and replacement is not None and not replacement.new and replacement.arguments.startswith("drop")
    if use.where == KEYWORD and isinstance(use.node, ast.keyword):
        if new:
            return None if new.lower() in present else _written(module, use, new, "")
        return _dropped(module, use) if drop else None
    if use.where == URI and isinstance(use.node, ast.Constant) and (new or drop):
        return _in_text(module, use, new)
    return None


def _written(module: "Module", use: OptionUse, new: str, value: str) -> Fix:
    edits: list[Edit] = [RenameKeyword(anchor(module, use.call), use.key, new)]
    if value and isinstance(use.node, ast.keyword):
        edits.insert(0, replace(module, use.node.value, value, use.node.value))
    return Fix(f"Write {new}=", Applicability.SAFE, tuple(edits))


def _merged(module: "Module", use: OptionUse, more: str) -> Fix | None:
    """A property added to the ``authMechanismProperties`` that are written out in the call."""
    given = next(item for item in use.call.keywords if (item.arg or "").lower() == "authmechanismproperties")
    value = given.value.value if isinstance(given.value, ast.Constant) else None
    if not isinstance(value, str) or not re.fullmatch(r"[\w.:,-]+", value) or "SERVICE_NAME:" in value:
        return None
    edit = replace(module, given.value, f'"{value},{more}"')
    return Fix("Write it in authMechanismProperties=", Applicability.SAFE, (edit, RemoveKeyword(anchor(module, use.call), use.key)))


def _dropped(module: "Module", use: OptionUse) -> Fix:
    return Fix(f"Drop {use.key}=", Applicability.SAFE, (RemoveKeyword(anchor(module, use.call), use.key),))


def _changed_value(use: OptionUse, item: ast.keyword) -> tuple[str, str] | None:
    """For options whose value changed with their name: the new name (empty: drop it) and value (``{0}`` is the old one).

    None for others and for unclear values.
    """
    key = use.key.lower()
    value = item.value.value if isinstance(item.value, ast.Constant) else None
    flag = value if isinstance(value, bool) else None
    if key == "network_timeout" and isinstance(value, (int, float)) and flag is None:
        return "socketTimeoutMS", str(int(value * 1000))
    if key in ("slave_okay", "slaveok") and flag is not None:
        return ("readPreference", '"secondaryPreferred"') if flag else ("", "")
    if key == "safe" and flag is not None:
        return ("", "") if flag else ("w", "0")
    if key == "ssl_match_hostname" and (flag is not None or isinstance(item.value, (ast.Name, ast.Attribute, ast.Call))):
        return "tlsAllowInvalidHostnames", "not {0}" if flag is None else str(not flag)
    if key == "ssl_cert_reqs":
        name = last_name(item.value)
        if name == "CERT_NONE":
            return "tlsAllowInvalidCertificates", "True"
        return ("", "") if name in ("CERT_REQUIRED", "CERT_OPTIONAL") else None
    if key == "ssl_certfile" and not any((other.arg or "").lower() == "ssl_keyfile" for other in use.call.keywords):
        return "tlsCertificateKeyFile", ""
    if key == "gssapiservicename" and isinstance(value, str) and re.fullmatch(r"[\w.-]+", value):
        return "authMechanismProperties", f'"SERVICE_NAME:{value}"'
    if key == "mechanism" and value in _MECHANISMS:
        return "authMechanism", ""  # what it was called in ``Database.authenticate``
    return None


_MECHANISMS = frozenset(("DEFAULT", "GSSAPI", "MONGODB-AWS", "MONGODB-OIDC", "MONGODB-X509", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"))


def _in_text(module: "Module", use: OptionUse, new: str) -> Fix | None:
    """Rename (or remove) an option inside a URI that is one plain string on one line."""
    span = module.source.span(use.node)
    if span.line != span.end_line:
        return None
    text = module.source.lines[span.line - 1][span.col : span.end_col]
    if not re.fullmatch(r"(['\"])[^'\"\\{}]*\1", text):
        return None
    key = re.escape(use.key)
    if not new:
        # the separator that is left over goes along
        changed = re.sub(rf"(?<=[?&;]){key}=[^&;'\"]*[&;]|[?&;]{key}=[^&;'\"]*(?=['\"])", "", text)
        title = f"Drop {use.key}="
    elif f"{new.lower()}=" in text.lower() or not api.option_spelling(new):
        return None
    else:
        changed = re.sub(rf"(?<=[?&;]){key}(?==)", new, text)
        title = f"Write {new}="
    return Fix(title, Applicability.SAFE, (ReplaceExpr(anchor(module, use.node), changed),)) if changed != text else None
