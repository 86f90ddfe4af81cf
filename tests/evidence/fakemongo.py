"""A small MongoDB server on the loopback interface, for tests that need to see what the driver really does.

It speaks the wire protocol (OP_MSG, and OP_QUERY for the first handshake) over a real socket, presents itself as the primary of a
replica set of one member, keeps documents in memory and records every command. It is not MongoDB: see "What it emulates".

Use::

    with FakeServer() as server:
        client = MongoClient(server.uri)
        client.shop.orders.insert_one({"_id": 1})
        [insert] = server.seen("insert")
        assert insert.collection == "orders" and not insert.in_transaction
        client.close()

What a test may use:

``server.uri``, ``server.port``
    ``mongodb://127.0.0.1:<port>/?replicaSet=rs&serverSelectionTimeoutMS=5000``; options may be appended with ``&``.
``server.commands``, ``server.seen("find", ...)``, ``server.names(*skip)``, ``server.forget()``
    The commands received so far, oldest first, as :class:`Command` (without handshakes and monitoring); those of the given names;
    the names alone, without ``HOUSEKEEPING`` and the given ones; and a fresh start of the record.
``server.wait_for("insert", count=2)``
    Blocks until that many commands of that name have arrived; ``AssertionError`` after :data:`PATIENCE` seconds.
``server.documents("shop.orders")``, ``server.load("shop.orders", documents)``
    What a collection holds, and a way to fill it without a client.
``server.gate("find", parties=2)``
    Holds back the *replies* of commands of that name (they are executed first): see :class:`Gate`. This is how a test arranges
    that two operations are in flight at once, without sleeping.
``server.fail("insert", times=2, code=112, labels=["TransientTransactionError"])``
    The next commands of that name are answered with an error, or, with ``hang_up=True``, by closing the connection.
``server.hang_up()``
    Closes every connection, as a restart or a network fault would.
``server.connections_opened``, ``server.connections_open``, ``server.cursors_open``
    Counters; connections of the driver's monitors are included. ``{c.connection for c in server.seen("find")}`` counts the
    connections that carried operations.

The server runs in threads of the test's process; a program run as a child process reaches it by its URI.

What it emulates, from the MongoDB manual and the driver specifications: insert, update, delete, findAndModify, find with sort,
skip, limit, simple projections and batches, getMore, killCursors, count, distinct, aggregate (``$match``, ``$sort``, ``$skip``,
``$limit``, ``$group`` that counts, ``$changeStream`` without events), the unique index on ``_id``, and multi-document transactions:
writes are undone on abort, an operation of a transaction that never started (or that an error ended) is answered with
NoSuchTransaction (251, label TransientTransactionError), and an error inside a transaction ends it. What it cannot do, it refuses
with an error; it has no isolation between transactions, no index but ``_id`` (creating one is accepted and does nothing, and so is mapReduce), no dotted
field names, no authentication and no retryable-write de-duplication.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, NamedTuple

import bson
from bson import Int64, ObjectId, Timestamp

Document = dict[str, Any]

PATIENCE = 10.0
"""Seconds after which a wait of a test, or a reply held back, gives up: far above what any machine needs, below a test's limit."""

HOUSEKEEPING = frozenset({"endSessions", "killCursors", "ping"})
"""Commands that the driver sends on its own account; :meth:`FakeServer.names` leaves them out."""

_OP_REPLY, _OP_QUERY, _OP_MSG = 1, 2004, 2013
_CHECKSUM_PRESENT, _MORE_TO_COME = 1, 2


class Command(NamedTuple):
    """One command as it arrived. ``body`` is the whole document, ``connection`` the number of the connection that carried it."""

    name: str
    body: Document
    connection: int

    @property
    def database(self) -> str:
        """Name of the database, empty if the command carried none."""
        return str(self.body.get("$db", ""))

    @property
    def collection(self) -> str | None:
        """Name of the collection, or None for a command of the database or the server."""
        target = self.body.get("collection") if self.name == "getMore" else self.body.get(self.name)
        return target if isinstance(target, str) else None

    @property
    def session(self) -> bytes | None:
        """Identifier of the server session, or None if the command carried none."""
        lsid = self.body.get("lsid")
        if lsid is None:
            return None
        identifier = lsid["id"]  # Before 4.0, bson decodes it as a UUID.
        return identifier.bytes if isinstance(identifier, uuid.UUID) else bytes(identifier)

    @property
    def number(self) -> int | None:
        """The ``txnNumber``: of the transaction, or of a retryable write outside one."""
        number = self.body.get("txnNumber")
        return None if number is None else int(number)

    @property
    def in_transaction(self) -> bool:
        """Whether the command takes part in a multi-document transaction."""
        return self.body.get("autocommit") is False

    @property
    def starts_transaction(self) -> bool:
        """Whether the command is the one that starts its transaction."""
        return bool(self.body.get("startTransaction"))


class Gate:
    """Holds back the replies of the commands of one name.

    The commands have been executed and recorded when they are held. With ``parties=n`` the gate opens by itself, for good, as soon
    as n replies are held; without, it opens on :meth:`open`, at the end of its ``with`` block, or when the server closes.
    A reply is never held longer than :data:`PATIENCE` seconds: ``expired`` tells that this happened.
    """

    def __init__(self, name: str, parties: int | None = None, where: Callable[[Command], bool] | None = None) -> None:
        self.name = name
        self.parties = parties
        self.where = where
        self.held = 0
        self.most_held = 0
        self.expired = False
        self._opened = False
        self._changed = threading.Condition()

    def wait(self, count: int = 1) -> None:
        """Block until ``count`` replies are (or were) held at the same time. Raises AssertionError after :data:`PATIENCE` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.most_held >= count, PATIENCE):
                raise AssertionError(f"{self.most_held} of {count} {self.name!r} replies held after {PATIENCE} s")

    def open(self) -> None:
        """Let every held reply go, and every later one pass."""
        with self._changed:
            self._opened = True
            self._changed.notify_all()

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.open()

    def _concerns(self, command: Command) -> bool:
        return command.name == self.name and not self._opened and (self.where is None or self.where(command))

    def _hold(self) -> None:
        with self._changed:
            self.held += 1
            self.most_held = max(self.most_held, self.held)
            if self.parties is not None and self.held >= self.parties:
                self._opened = True
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._opened, PATIENCE):
                self.expired = True
            self.held -= 1


class _Failure(NamedTuple):
    code: int
    message: str
    labels: tuple[str, ...]
    hang_up: bool


class _CommandError(Exception):
    def __init__(self, code: int, message: str, labels: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.labels = list(labels)


class _HangUpError(Exception):
    pass


class _Transaction:
    """The running transaction of one session: what to undo when it aborts."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.undo: list[tuple[dict[Any, Document], Any, Document | None]] = []


class FakeServer:
    """The server: a context manager that listens on a free port of 127.0.0.1. See the module's docstring."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._arrived = threading.Condition(self._lock)
        self._commands: list[Command] = []
        self._collections: dict[str, dict[Any, Document]] = {}
        self._cursors: dict[int, list[Document] | None] = {}
        self._cursor_numbers = itertools.count(1000)
        self._request_numbers = itertools.count(1)
        self._gates: list[Gate] = []
        self._failures: dict[str, list[_Failure]] = {}
        self._transactions: dict[bytes, _Transaction] = {}
        self._sockets: dict[int, socket.socket] = {}
        self._opened = 0
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self.uri = f"mongodb://127.0.0.1:{self.port}/?replicaSet=rs&serverSelectionTimeoutMS=5000"
        self._acceptor = threading.Thread(target=self._accept, name="fake-server", daemon=True)

    def __enter__(self) -> FakeServer:
        self._acceptor.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Open every gate, close every connection and stop listening. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        for gate in list(self._gates):
            gate.open()
        # A thread blocked in accept() is woken reliably, on every platform, only by a connection.
        with socket.create_connection(("127.0.0.1", self.port)):
            self._acceptor.join(PATIENCE)
        self._listener.close()
        self.hang_up()

    # What a test looks at.

    @property
    def commands(self) -> list[Command]:
        """Every command so far, oldest first; handshakes and monitoring are not recorded."""
        with self._lock:
            return list(self._commands)

    def seen(self, *names: str) -> list[Command]:
        """The commands of the given names, oldest first."""
        return [command for command in self.commands if command.name in names]

    def names(self, *skip: str) -> list[str]:
        """The names of the commands, oldest first, without those of ``HOUSEKEEPING`` and ``skip``."""
        return [command.name for command in self.commands if command.name not in HOUSEKEEPING and command.name not in skip]

    def forget(self) -> None:
        """Empty the record of commands."""
        with self._lock:
            self._commands.clear()

    def wait_for(self, name: str, count: int = 1) -> list[Command]:
        """The commands of one name, once ``count`` have arrived. Raises AssertionError after :data:`PATIENCE` seconds."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.seen(name)) >= count, PATIENCE):
                raise AssertionError(f"{len(self.seen(name))} of {count} {name!r} commands after {PATIENCE} s: {self.names()}")
            return self.seen(name)

    @property
    def connections_opened(self) -> int:
        """How many connections were opened since the start."""
        with self._lock:
            return self._opened

    @property
    def connections_open(self) -> int:
        """How many connections are open now."""
        with self._lock:
            return len(self._sockets)

    @property
    def cursors_open(self) -> int:
        """How many cursors have more to give."""
        with self._lock:
            return len(self._cursors)

    def documents(self, namespace: str) -> list[Document]:
        """Copies of the documents of ``database.collection``, in the order of insertion."""
        with self._lock:
            return copy.deepcopy(list(self._collections.get(namespace, {}).values()))

    # What a test arranges.

    def load(self, namespace: str, documents: Iterable[Mapping[str, Any]]) -> None:
        """Put documents into ``database.collection``; each has its ``_id``."""
        with self._lock:
            target = self._collections.setdefault(namespace, {})
            for document in documents:
                target[document["_id"]] = copy.deepcopy(dict(document))

    def gate(self, name: str, parties: int | None = None, where: Callable[[Command], bool] | None = None) -> Gate:
        """Hold back the replies of the commands of this name (that satisfy ``where``) until the gate opens: see :class:`Gate`."""
        gate = Gate(name, parties, where)
        self._gates.append(gate)
        return gate

    def fail(
        self,
        name: str,
        times: int = 1,
        code: int = 112,
        message: str = "Write conflict during plan execution",
        labels: Iterable[str] = (),
        hang_up: bool = False,
    ) -> None:
        """Answer the next ``times`` commands of this name with an error, unexecuted; ``hang_up`` closes the connection instead."""
        with self._lock:
            self._failures.setdefault(name, []).extend([_Failure(code, message, tuple(labels), hang_up)] * times)

    def hang_up(self) -> None:
        """Close every connection; the server goes on listening."""
        with self._lock:
            connections = list(self._sockets.values())
        for connection in connections:
            with contextlib.suppress(OSError):  # The other side was faster.
                connection.shutdown(socket.SHUT_RDWR)

    # The wire.

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._closing.is_set():
                connection.close()
                return
            with self._lock:
                self._opened += 1
                number = self._opened
                self._sockets[number] = connection
            threading.Thread(target=self._serve, args=(connection, number), name=f"fake-server-{number}", daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                self._exchange(connection, number)
        except (OSError, _HangUpError):
            pass  # The client closed the connection, or the test asked for it.
        finally:
            with self._lock:
                self._sockets.pop(number, None)
            connection.close()

    def _exchange(self, connection: socket.socket, number: int) -> None:
        length, request, _, opcode = struct.unpack("<iiii", _receive(connection, 16))
        payload = _receive(connection, length - 16)
        if opcode == _OP_QUERY:
            end_of_name = payload.index(b"\0", 4)
            body = bson.decode(payload[end_of_name + 9 :])
            reply = struct.pack("<iqii", 8, 0, 0, 1) + self._answer(body, number)
            self._send(connection, request, _OP_REPLY, reply)
        elif opcode == _OP_MSG:
            flags, body = _parse_message(payload)
            reply = struct.pack("<I", 0) + b"\0" + self._answer(body, number)
            if not flags & _MORE_TO_COME:
                self._send(connection, request, _OP_MSG, reply)
        else:
            raise _HangUpError

    def _send(self, connection: socket.socket, request: int, opcode: int, payload: bytes) -> None:
        connection.sendall(struct.pack("<iiii", 16 + len(payload), next(self._request_numbers), request, opcode) + payload)

    def _answer(self, body: Document, connection: int) -> bytes:
        name = next(iter(body))
        if name.lower() in ("hello", "ismaster"):
            return bson.encode(self._hello(connection))
        command = Command(name, body, connection)
        with self._lock:
            self._commands.append(command)
            self._arrived.notify_all()
            failures = self._failures.get(name)
            failure = failures.pop(0) if failures else None
            if failure is not None and failure.hang_up:
                raise _HangUpError
            reply = self._reply(command, failure)
            clock = Timestamp(int(time.time()), 1)
            reply.setdefault("ok", 1.0)
            reply["operationTime"] = clock
            reply["$clusterTime"] = {"clusterTime": clock, "signature": {"hash": b"\0" * 20, "keyId": Int64(0)}}
            encoded = bson.encode(reply)
        if "postBatchResumeToken" in reply.get("cursor", ()) and name == "getMore":
            self._closing.wait(0.05)  # An idle change stream waits at the server; without this, its reader would spin.
        for gate in list(self._gates):
            if gate._concerns(command):
                gate._hold()
        return encoded

    def _reply(self, command: Command, failure: _Failure | None) -> Document:
        try:
            if failure is not None:
                raise _CommandError(failure.code, failure.message, failure.labels)
            run = _HANDLERS.get(command.name)
            if run is None:
                raise _CommandError(59, f"no such command: '{command.name}'")
            transaction = self._transaction_of(command)
            reply = run(self, command, transaction)
        except _CommandError as error:
            if command.in_transaction:
                self._end_transaction(command, undo=True)
            return {"ok": 0.0, "code": error.code, "errmsg": str(error), "errorLabels": error.labels}
        if transaction is not None and "writeErrors" in reply:
            self._end_transaction(command, undo=True)
        return reply

    def _hello(self, connection: int) -> Document:
        address = f"127.0.0.1:{self.port}"
        return {
            "isWritablePrimary": True,
            "ismaster": True,
            "helloOk": True,
            "maxBsonObjectSize": 16 * 2**20,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
            "logicalSessionTimeoutMinutes": 30,
            "connectionId": connection,
            "minWireVersion": 0,
            "maxWireVersion": 25,
            "readOnly": False,
            "setName": "rs",
            "setVersion": 1,
            "electionId": ObjectId("7fffffff0000000000000001"),
            "hosts": [address],
            "me": address,
            "primary": address,
            "secondary": False,
            "ok": 1.0,
        }

    # Transactions.

    def _transaction_of(self, command: Command) -> _Transaction | None:
        if not command.in_transaction or command.session is None or command.number is None:
            return None
        if command.starts_transaction:
            transaction = _Transaction(command.number)
            self._transactions[command.session] = transaction
            return transaction
        running = self._transactions.get(command.session)
        if running is None or running.number != command.number:
            raise _CommandError(
                251,
                f"Given transaction number {command.number} does not match any in-progress transactions",
                ["TransientTransactionError"],
            )
        return running

    def _end_transaction(self, command: Command, undo: bool) -> None:
        transaction = self._transactions.pop(command.session or b"", None)
        if transaction is None or not undo:
            return
        for target, key, before in reversed(transaction.undo):
            if before is None:
                target.pop(key, None)
            else:
                target[key] = before

    def _commit(self, _command: Command, transaction: _Transaction | None) -> Document:
        # The state stays, so that a commit that is sent again succeeds again, as the manual promises.
        if transaction is not None:
            transaction.undo.clear()
        return {}

    def _abort(self, command: Command, _transaction: _Transaction | None) -> Document:
        self._end_transaction(command, undo=True)
        return {}

    # Documents.

    def _target(self, command: Command) -> dict[Any, Document]:
        return self._collections.setdefault(f"{command.database}.{command.collection}", {})

    def _put(self, target: dict[Any, Document], key: Any, document: Document | None, transaction: _Transaction | None) -> None:
        if transaction is not None:
            transaction.undo.append((target, key, copy.deepcopy(target.get(key))))
        if document is None:
            target.pop(key, None)
        else:
            target[key] = document

    def _insert(self, command: Command, transaction: _Transaction | None) -> Document:
        target = self._target(command)
        errors: list[Document] = []
        written = 0
        for index, document in enumerate(command.body["documents"]):
            if document["_id"] in target:
                errors.append({"index": index, **_duplicate_key(document["_id"])})
                if command.body.get("ordered", True):
                    break
            else:
                self._put(target, document["_id"], document, transaction)
                written += 1
        return {"n": written, **({"writeErrors": errors} if errors else {})}

    def _update(self, command: Command, transaction: _Transaction | None) -> Document:
        target = self._target(command)
        matched = modified = 0
        upserted: list[Document] = []
        for index, update in enumerate(command.body["updates"]):
            hits = [document for document in target.values() if _matches(document, update["q"])]
            for document in hits if update.get("multi") else hits[:1]:
                changed = _updated(document, update["u"], inserting=False)
                matched += 1
                modified += changed != document
                self._put(target, document["_id"], changed, transaction)
            if not hits and update.get("upsert"):
                created = _updated(_from_filter(update["q"]), update["u"], inserting=True)
                self._put(target, created["_id"], created, transaction)
                upserted.append({"index": index, "_id": created["_id"]})
        return {"n": matched + len(upserted), "nModified": modified, **({"upserted": upserted} if upserted else {})}

    def _delete(self, command: Command, transaction: _Transaction | None) -> Document:
        target = self._target(command)
        deleted = 0
        for delete in command.body["deletes"]:
            hits = [key for key, document in target.items() if _matches(document, delete["q"])]
            for key in hits[:1] if delete.get("limit") else hits:
                self._put(target, key, None, transaction)
                deleted += 1
        return {"n": deleted}

    def _find_and_modify(self, command: Command, transaction: _Transaction | None) -> Document:
        target, body = self._target(command), command.body
        hits = _sorted([document for document in target.values() if _matches(document, body.get("query"))], body.get("sort"))
        before: Document | None = hits[0] if hits else None
        after: Document | None = None
        if body.get("remove"):
            if before is not None:
                self._put(target, before["_id"], None, transaction)
            return {"value": before, "lastErrorObject": {"n": len(hits[:1])}}
        if before is not None:
            after = _updated(before, body["update"], inserting=False)
        elif body.get("upsert"):
            after = _updated(_from_filter(body.get("query") or {}), body["update"], inserting=True)
        if after is not None:
            self._put(target, after["_id"], after, transaction)
        details: Document = {"n": 1 if after is not None else 0, "updatedExisting": before is not None}
        return {"value": after if body.get("new") else before, "lastErrorObject": details}

    def _find(self, command: Command, _transaction: _Transaction | None) -> Document:
        body = command.body
        documents = [document for document in self._target(command).values() if _matches(document, body.get("filter"))]
        documents = _sorted(documents, body.get("sort"))[body.get("skip", 0) :]
        if body.get("limit"):
            documents = documents[: abs(body["limit"])]
        return self._cursor(command, [_projected(document, body.get("projection")) for document in documents], body.get("batchSize"))

    def _aggregate(self, command: Command, _transaction: _Transaction | None) -> Document:
        batch = command.body.get("cursor", {}).get("batchSize")
        pipeline = command.body["pipeline"]
        if pipeline and "$changeStream" in pipeline[0]:
            number = next(self._cursor_numbers)
            self._cursors[number] = None
            return {
                "cursor": {"id": Int64(number), "ns": self._namespace(command), "firstBatch": [], "postBatchResumeToken": {"_data": "0"}}
            }
        documents = list(self._target(command).values())
        for stage in pipeline:
            documents = _stage(documents, stage)
        return self._cursor(command, documents, batch)

    def _namespace(self, command: Command) -> str:
        return f"{command.database}.{command.collection or '$cmd.aggregate'}"

    def _cursor(self, command: Command, documents: list[Document], batch: int | None) -> Document:
        size = len(documents) if command.body.get("singleBatch") else (101 if batch is None else batch)
        number = 0
        if len(documents) > size:
            number = next(self._cursor_numbers)
            self._cursors[number] = copy.deepcopy(documents[size:])
        return {"cursor": {"id": Int64(number), "ns": self._namespace(command), "firstBatch": documents[:size]}}

    def _get_more(self, command: Command, _transaction: _Transaction | None) -> Document:
        number = int(command.body["getMore"])
        if number not in self._cursors:
            raise _CommandError(43, f"cursor id {number} not found")
        rest = self._cursors[number]
        reply: Document = {"id": Int64(number), "ns": self._namespace(command), "nextBatch": []}
        if rest is None:  # A change stream: nothing ever happens in it.
            return {"cursor": {**reply, "postBatchResumeToken": {"_data": "0"}}}
        size = command.body.get("batchSize") or len(rest)
        reply["nextBatch"], self._cursors[number] = rest[:size], rest[size:]
        if not self._cursors[number]:
            del self._cursors[number]
            reply["id"] = Int64(0)
        return {"cursor": reply}

    def _kill_cursors(self, command: Command, _transaction: _Transaction | None) -> Document:
        killed = [number for number in command.body["cursors"] if self._cursors.pop(int(number), self) is not self]
        return {"cursorsKilled": killed, "cursorsNotFound": [], "cursorsAlive": [], "cursorsUnknown": []}

    def _count(self, command: Command, _transaction: _Transaction | None) -> Document:
        return {"n": sum(_matches(document, command.body.get("query")) for document in self._target(command).values())}

    def _distinct(self, command: Command, _transaction: _Transaction | None) -> Document:
        values: list[Any] = []
        for document in self._target(command).values():
            value = document.get(command.body["key"])
            if value is not None and value not in values and _matches(document, command.body.get("query")):
                values.append(value)
        return {"values": values}

    def _drop(self, command: Command, _transaction: _Transaction | None) -> Document:
        self._collections.pop(f"{command.database}.{command.collection}", None)
        return {}

    def _drop_database(self, command: Command, _transaction: _Transaction | None) -> Document:
        for namespace in [name for name in self._collections if name.startswith(command.database + ".")]:
            del self._collections[namespace]
        return {}

    def _list_collections(self, command: Command, _transaction: _Transaction | None) -> Document:
        prefix = command.database + "."
        names = [name[len(prefix) :] for name in self._collections if name.startswith(prefix)]
        return self._cursor(command, [{"name": name, "type": "collection"} for name in names], None)

    def _list_indexes(self, command: Command, _transaction: _Transaction | None) -> Document:
        return self._cursor(command, [{"v": 2, "key": {"_id": 1}, "name": "_id_"}], None)

    def _nothing(self, _command: Command, _transaction: _Transaction | None) -> Document:
        return {}


_HANDLERS: dict[str, Callable[[FakeServer, Command, _Transaction | None], Document]] = {
    "abortTransaction": FakeServer._abort,
    "aggregate": FakeServer._aggregate,
    "commitTransaction": FakeServer._commit,
    "count": FakeServer._count,
    "create": FakeServer._nothing,
    "createIndexes": FakeServer._nothing,
    "delete": FakeServer._delete,
    "distinct": FakeServer._distinct,
    "drop": FakeServer._drop,
    "dropDatabase": FakeServer._drop_database,
    "endSessions": FakeServer._nothing,
    "find": FakeServer._find,
    "findAndModify": FakeServer._find_and_modify,
    "getMore": FakeServer._get_more,
    "insert": FakeServer._insert,
    "killCursors": FakeServer._kill_cursors,
    "listCollections": FakeServer._list_collections,
    "listIndexes": FakeServer._list_indexes,
    "mapReduce": FakeServer._nothing,
    "ping": FakeServer._nothing,
    "update": FakeServer._update,
}


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise _HangUpError
        data += piece
    return data


def _parse_message(payload: bytes) -> tuple[int, Document]:
    """The flags and the command of an OP_MSG; document sequences (section kind 1) become arrays of the command."""
    (flags,) = struct.unpack("<I", payload[:4])
    position, end = 4, len(payload) - (4 if flags & _CHECKSUM_PRESENT else 0)
    body: Document = {}
    sequences: Document = {}
    while position < end:
        kind = payload[position]
        (size,) = struct.unpack("<i", payload[position + 1 : position + 5])
        section = payload[position + 1 : position + 1 + size]
        if kind == 0:
            body = bson.decode(section)
        else:
            end_of_name = section.index(b"\0", 4)
            sequences[section[4:end_of_name].decode()] = bson.decode_all(section[end_of_name + 1 :])
        position += 1 + size
    return flags, {**body, **sequences}


def _duplicate_key(key: Any) -> Document:
    return {
        "code": 11000,
        "errmsg": f"E11000 duplicate key error dup key: {{ _id: {key!r} }}",
        "keyPattern": {"_id": 1},
        "keyValue": {"_id": key},
    }


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, operand: bool(value == operand),
    "$ne": lambda value, operand: bool(value != operand),
    "$gt": lambda value, operand: value is not None and bool(value > operand),
    "$gte": lambda value, operand: value is not None and bool(value >= operand),
    "$lt": lambda value, operand: value is not None and bool(value < operand),
    "$lte": lambda value, operand: value is not None and bool(value <= operand),
    "$in": lambda value, operand: value in operand,
    "$nin": lambda value, operand: value not in operand,
    "$exists": lambda value, operand: (value is not None) == bool(operand),
}


def _matches(document: Mapping[str, Any], query: Mapping[str, Any] | None) -> bool:
    for key, wanted in (query or {}).items():
        if key == "$and":
            if not all(_matches(document, part) for part in wanted):
                return False
        elif key == "$or":
            if not any(_matches(document, part) for part in wanted):
                return False
        elif key.startswith("$"):
            raise _CommandError(2, f"unknown top level operator: {key}")
        elif isinstance(wanted, dict) and any(name.startswith("$") for name in wanted):
            for name, operand in wanted.items():
                if name not in _COMPARISONS:
                    raise _CommandError(2, f"unknown operator: {name}")
                if not _COMPARISONS[name](document.get(key), operand):
                    return False
        elif document.get(key) != wanted:
            return False
    return True


def _from_filter(query: Mapping[str, Any]) -> Document:
    return {key: value for key, value in query.items() if not key.startswith("$") and not isinstance(value, dict)}


def _updated(document: Document, update: Any, inserting: bool) -> Document:
    """The document after the update; ``inserting`` says that an upsert creates it. Refuses pipelines and unknown operators."""
    if not isinstance(update, dict):
        raise _CommandError(2, "pipeline updates are not emulated")
    changed = copy.deepcopy(document)
    if not any(key.startswith("$") for key in update):
        changed = {**({"_id": document["_id"]} if "_id" in document else {}), **update}
    else:
        for operator, fields in update.items():
            for field, value in fields.items():
                _apply(changed, operator, field, value, inserting)
    if "_id" not in changed:
        changed = {"_id": ObjectId(), **changed}
    return changed


def _apply(document: Document, operator: str, field: str, value: Any, inserting: bool) -> None:
    if operator == "$set" or (operator == "$setOnInsert" and inserting):
        document[field] = value
    elif operator == "$setOnInsert":
        pass
    elif operator == "$inc":
        document[field] = document.get(field, 0) + value
    elif operator == "$unset":
        document.pop(field, None)
    elif operator == "$push":
        document[field] = [*document.get(field, []), value]
    elif operator == "$addToSet":
        before = document.get(field, [])
        document[field] = before if value in before else [*before, value]
    else:
        raise _CommandError(9, f"Unknown modifier: {operator}")


def _sorted(documents: list[Document], order: Mapping[str, int] | None) -> list[Document]:
    for field, direction in reversed(list((order or {}).items())):
        documents = sorted(documents, key=lambda document: (field in document, document.get(field)), reverse=direction < 0)
    return documents


def _projected(document: Document, projection: Mapping[str, Any] | None) -> Document:
    """The document with only, or without, the named top-level fields."""
    if not projection:
        return document
    if any(not isinstance(choice, (bool, int)) or "." in field for field, choice in projection.items()):
        raise _CommandError(2, f"this projection is not emulated: {projection!r}")
    including = any(choice for field, choice in projection.items() if field != "_id") or projection == {"_id": 1}
    return {field: value for field, value in document.items() if projection.get(field, field == "_id" or not including)}


def _stage(documents: list[Document], stage: Mapping[str, Any]) -> list[Document]:
    [(name, value)] = stage.items()
    if name == "$match":
        return [document for document in documents if _matches(document, value)]
    if name == "$sort":
        return _sorted(documents, value)
    if name == "$skip":
        return documents[value:]
    if name == "$limit":
        return documents[:value]
    if name == "$group" and value == {"_id": 1, "n": {"$sum": 1}}:  # What count_documents() sends.
        return [{"_id": 1, "n": len(documents)}] if documents else []
    raise _CommandError(40324, f"Unrecognized pipeline stage: {stage!r}")
