"""Other packages that hand out driver objects, and look-alikes that do not. Data only, read from the packages' sources.

A kind is (family, flavour), see :mod:`flake8_mongo_threads.driver.kinds`.
"""

Kind = tuple[str, str]

_MONGOENGINE_DOCUMENTS = tuple(f"mongoengine.{module}{name}" for module in ("", "document.") for name in ("Document", "DynamicDocument"))
_BEANIE_DOCUMENTS = tuple(
    f"beanie.{module}{name}"
    for module, name in (("", "Document"), ("odm.documents.", "Document"), ("", "View"), ("odm.views.", "View"), ("", "UnionDoc"))
)
_AIRFLOW_HOOKS = ("airflow.providers.mongo.hooks.mongo.MongoHook", "airflow.contrib.hooks.mongo_hook.MongoHook")

CALLS: dict[str, Kind] = {
    # MongoEngine keeps one client for each alias: connect() again with the same settings gives the same client.
    "mongoengine.connect": ("client", "sync"),
    "mongoengine.get_connection": ("client", "sync"),
    "mongoengine.get_db": ("database", "sync"),
    "mongoengine.connection.connect": ("client", "sync"),
    "mongoengine.connection.get_connection": ("client", "sync"),
    "mongoengine.connection.get_db": ("database", "sync"),
    **{f"{document}._get_collection": ("collection", "sync") for document in _MONGOENGINE_DOCUMENTS},
    **{f"{document}._get_db": ("database", "sync") for document in _MONGOENGINE_DOCUMENTS},
    # Beanie 1 stands on Motor, Beanie 2 on PyMongo Async.
    **{f"{document}.get_motor_collection": ("collection", "motor") for document in _BEANIE_DOCUMENTS},
    **{f"{document}.get_pymongo_collection": ("collection", "async") for document in _BEANIE_DOCUMENTS},
    "pymodm.connection._get_connection": ("client", "sync"),
    "pymodm.connection._get_db": ("database", "sync"),
    **{f"odmantic.{module}AIOEngine.get_collection": ("collection", "motor") for module in ("", "engine.")},
    **{f"odmantic.{module}SyncEngine.get_collection": ("collection", "sync") for module in ("", "engine.")},
    **{f"{hook}.get_conn": ("client", "sync") for hook in _AIRFLOW_HOOKS},
    **{f"{hook}.get_collection": ("collection", "sync") for hook in _AIRFLOW_HOOKS},
    **{f"{hook}.create_collection": ("collection", "sync") for hook in _AIRFLOW_HOOKS},
}
"""Dotted path of a callable (a function, or a method of a class) -> kind of its result, after awaiting."""

REGISTERED = frozenset(f"mongoengine.{module}{name}" for module in ("", "connection.") for name in ("get_connection", "get_db"))
"""Callables that give the client of the process, or a database of it, whoever asks."""

ATTRIBUTES: dict[tuple[str, str], Kind] = {
    ("flask_pymongo.PyMongo", "cx"): ("client", "sync"),
    ("flask_pymongo.PyMongo", "db"): ("database", "sync"),
    ("quart_motor.Motor", "cx"): ("client", "motor"),
    ("quart_motor.Motor", "db"): ("database", "motor"),
    ("odmantic.AIOEngine", "client"): ("client", "motor"),
    ("odmantic.AIOEngine", "database"): ("database", "motor"),
    ("odmantic.engine.AIOEngine", "client"): ("client", "motor"),
    ("odmantic.engine.AIOEngine", "database"): ("database", "motor"),
    ("odmantic.SyncEngine", "client"): ("client", "sync"),
    ("odmantic.SyncEngine", "database"): ("database", "sync"),
    ("odmantic.engine.SyncEngine", "client"): ("client", "sync"),
    ("odmantic.engine.SyncEngine", "database"): ("database", "sync"),
    ("ming.datastore.DataStore", "conn"): ("client", "sync"),
    ("ming.datastore.DataStore", "db"): ("database", "sync"),
    ("ming.datastore.Engine", "conn"): ("client", "sync"),
}
"""(path of a class, attribute of its instances) -> kind of the value."""

CLASSES: dict[str, Kind] = {
    "flask_pymongo.wrappers.MongoClient": ("client", "sync"),
    "flask_pymongo.MongoClient": ("client", "sync"),
    "flask_pymongo.wrappers.Database": ("database", "sync"),
    "flask_pymongo.Database": ("database", "sync"),
    "flask_pymongo.wrappers.Collection": ("collection", "sync"),
    "quart_motor.wrappers.AsyncIOMotorClient": ("client", "motor"),
    "quart_motor.AsyncIOMotorClient": ("client", "motor"),
    "quart_motor.wrappers.AsyncIOMotorDatabase": ("database", "motor"),
    "quart_motor.wrappers.AsyncIOMotorCollection": ("collection", "motor"),
}
"""Subclasses of the driver's classes in other packages."""

EXTRA_MEMBERS: frozenset[str] = frozenset(("find_one_or_404",))
"""Members that the subclasses in CLASSES add (Flask-PyMongo, Quart-Motor): not in the driver, and no error on their objects."""

LOOKALIKES: frozenset[str] = frozenset(
    (
        "aiomongo.create_client",
        "mongomock.MongoClient",
        "mongomock.mongo_client.MongoClient",
        "mongomock.Database",
        "mongomock.database.Database",
        "mongomock.Collection",
        "mongomock.collection.Collection",
        "mongomock_motor.AsyncMongoMockClient",
        "mongomock_motor.AsyncMongoMockCollection",
        "mongomock_motor.AsyncMongoMockDatabase",
        "pymongo_inmemory.MongoClient",
        "pymongo_inmemory._pim.MongoClient",
    )
)
"""What looks like the driver and is not: in memory, or another implementation."""
