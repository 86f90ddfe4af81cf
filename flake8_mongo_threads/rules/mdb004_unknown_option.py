"""MDB004: a client option that the driver does not know, or ignores."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.option_fixes import known_option
from flake8_mongo_threads.semantics.options import IGNORED, KEYWORD_ONLY, NEW, REMOVED, URI, OptionUse

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB004",
    name="unknown-option",
    summary="A client option that the driver does not know or ignores, as keyword or inside a literal URI.",
    why=(
        "MongoClient(max_pool_size=10) raises ConfigurationError: Unknown option. The same key in a URI only warns and is ignored: the "
        "pool keeps its 100 connections. waitQueueMultiple is accepted by every 4.x and does nothing. Case does not matter to the driver "
        "(MAXPOOLSIZE is fine), underscores do. The target releases decide: ssl_ca_certs, j and socketKeepAlive are gone since 4.0."
    ),
    examples=(
        Example(
            bad=('from pymongo import MongoClient\n\nclient = MongoClient("mongodb://localhost", max_pool_size=10)  # expect: MDB004\n'),
            good='from pymongo import MongoClient\n\nclient = MongoClient("mongodb://localhost", maxPoolSize=10)\n',
            fixed='from pymongo import MongoClient\n\nclient = MongoClient("mongodb://localhost", maxPoolSize=10)\n',
        ),
        Example(
            title="In a URI the driver only warns",
            bad=('from pymongo import MongoClient\n\nclient = MongoClient("mongodb://localhost/?waitQueueMultiple=4")  # expect: MDB004\n'),
            good='from pymongo import MongoClient\n\nclient = MongoClient("mongodb://localhost/?waitQueueTimeoutMS=4000")\n',
            fixed=('from pymongo import MongoClient\n\nclient = MongoClient("mongodb://localhost/")\n'),
        ),
    ),
    fix=Applicability.SAFE,
    silent=(
        "Known options in any spelling of their letters: maxpoolsize and MAXPOOLSIZE are maxPoolSize.",
        "Clients of other classes: mongoengine.connect, settings of Flask-PyMongo, subclasses with their own arguments.",
    ),
    known_limits=(
        "Options that come through **kwargs, from settings or from another file are not read.",
        "Options of subclasses with their own __init__, and of other packages that build the client, are not checked.",
    ),
    references=("https://pymongo.readthedocs.io/en/stable/api/pymongo/mongo_client.html",),
)


@RULE.on(OptionUse)
def check(module: "Module", use: OptionUse) -> Iterator[Finding]:
    """Report the keyword, the key in the dictionary, or the place in the URI."""
    if use.problem == NEW:
        return
    where = " in the URI" if use.where == URI else ""
    if use.problem == IGNORED:
        what = f"is accepted and ignored since PyMongo {use.until}"
    elif use.problem == KEYWORD_ONLY:
        what = "is a keyword argument only, the driver warns and ignores it"
    elif use.problem == REMOVED:
        what = f"was removed in PyMongo {use.until} (target: {use.why})" if use.until else f"is not in PyMongo {use.answer.missing}"
        what += ", the driver only warns and ignores it" if use.where == URI else ", the client raises ConfigurationError"
    else:
        what = (
            "is unknown to the driver, which only warns and ignores it"
            if use.where == URI
            else "is unknown to the driver, the client raises ConfigurationError"
        )
    yield RULE.finding(
        module, use.span, f"client option '{use.key}'{where} {what}: {_cure(use)}", fix=known_option(module, use), cause=use.cause
    )


def _cure(use: OptionUse) -> str:
    replacement = use.replacement
    if replacement is not None and replacement.advice:
        return f"use {replacement.advice}"
    if use.suggestion:
        return f"use {use.suggestion}"
    if use.problem == KEYWORD_ONLY:
        return f"pass {use.key}= to the client"
    if replacement is not None and replacement.arguments.startswith("drop: "):
        return f"drop it, {replacement.arguments[len('drop: ') :]}"
    return "drop it"
