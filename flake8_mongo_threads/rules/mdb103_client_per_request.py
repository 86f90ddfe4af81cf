"""MDB103: a client built on every request, message or job."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.caching import cached
from flake8_mongo_threads.semantics.contexts import PER_REQUEST
from flake8_mongo_threads.semantics.facts import ClientBuilt

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB103",
    name="client-per-request",
    summary="A client is built on every request, message, job or function invocation.",
    why=(
        "It is a common mistake to create a new client for each request, says PyMongo's FAQ, which is very inefficient. Nothing "
        "fails: the cost is latency for every caller, connection storms under load and in the end the server's connection limit, "
        "since the limits of a pool do not hold across pools. One client per process serves all requests."
        " True of every release; on AWS Lambda, Azure, Google Cloud and Vercel a client connects lazily since 4.9."
    ),
    fix=Applicability.UNSAFE,
    examples=(
        Example(
            bad=(
                "from flask import Flask\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = Flask(__name__)\n"
                "\n"
                "\n"
                '@app.get("/orders")\n'
                "def orders():\n"
                "    client = MongoClient()  # expect: MDB103\n"
                "    return {'orders': client.shop.orders.count_documents({})}\n"
            ),
            fixed=(
                "from functools import lru_cache\n"
                "\n"
                "from flask import Flask\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = Flask(__name__)\n"
                "\n"
                "\n"
                "@lru_cache\n"
                "def get_client():\n"
                "    return MongoClient()\n"
                "\n"
                "\n"
                '@app.get("/orders")\n'
                "def orders():\n"
                "    client = get_client()\n"
                "    return {'orders': client.shop.orders.count_documents({})}\n"
            ),
            good=(
                "from flask import Flask\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = Flask(__name__)\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                '@app.get("/orders")\n'
                "def orders():\n"
                "    return {'orders': client.shop.orders.count_documents({})}\n"
            ),
            title="One client for all requests",
        ),
        Example(
            bad=(
                "from fastapi import Depends, FastAPI\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = FastAPI()\n"
                "\n"
                "\n"
                "def get_db():\n"
                "    return MongoClient().shop  # expect: MDB103\n"
                "\n"
                "\n"
                '@app.get("/orders")\n'
                "def orders(db=Depends(get_db)):\n"
                "    return db.orders.count_documents({})\n"
            ),
            fixed=(
                "from functools import lru_cache\n"
                "\n"
                "from fastapi import Depends, FastAPI\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = FastAPI()\n"
                "\n"
                "\n"
                "@lru_cache\n"
                "def get_client():\n"
                "    return MongoClient()\n"
                "\n"
                "\n"
                "def get_db():\n"
                "    return get_client().shop\n"
                "\n"
                "\n"
                '@app.get("/orders")\n'
                "def orders(db=Depends(get_db)):\n"
                "    return db.orders.count_documents({})\n"
            ),
            good=(
                "from functools import lru_cache\n"
                "\n"
                "from fastapi import Depends, FastAPI\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = FastAPI()\n"
                "\n"
                "\n"
                "@lru_cache\n"
                "def get_db():\n"
                "    return MongoClient().shop\n"
                "\n"
                "\n"
                '@app.get("/orders")\n'
                "def orders(db=Depends(get_db)):\n"
                "    return db.orders.count_documents({})\n"
            ),
            title="A cached dependency",
        ),
    ),
    silent=(
        "Getters that build once: lru_cache, cached_property, a global or a dictionary behind a test, st.cache_resource.",
        "Start-up code: lifespan, startup hooks, create_app, open_spider, fixtures of pytest.",
        "A client whose address comes from the request: one client per tenant is right, if it is kept.",
    ),
    known_limits=(
        "The fix is a cached getter in the same file. A client that is returned, or built from arguments of the function, is left to you.",
        "RQ, Airflow and management commands run each job in a process of its own: a client per job is right there and not reported.",
    ),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/connect/mongoclient/",),
)


@RULE.on(ClientBuilt)
def check(module: "Module", fact: ClientBuilt) -> Iterator[Finding]:
    """Report a client built by a handler, or by what it calls, unless it is built for a tenant of the request."""
    if fact.context.where not in PER_REQUEST or fact.varies:
        return
    yield RULE.finding(
        module,
        fact.span,
        f"{fact.told(module)} for every {fact.context.where}, by {fact.context.text}: build one client per process and reuse it",
        fact.steps,
        cached(module, fact),
        cause=fact.cause,
    )
