"""Replacements for what is gone from the drivers or never was there, for messages and for fixes.

Sources: PyMongo's migration guides to 3.x and 4.x and its changelog, Motor's changelog and the guide from Motor to PyMongo Async, the
sources of every release (``tests/test_driver_model.py`` checks each row against the model), and names seen in public code.
"""

import re
from typing import NamedTuple

AUTO = "auto"
"""Mechanical: a local rewrite with the same meaning."""
COND = "cond"
"""Mechanical when the condition in ``arguments`` holds, else only to be reported."""
MANUAL = "manual"
"""Needs a person."""


class Replacement(NamedTuple):
    """What to use instead of a name, keyword or option."""

    new: str = ""
    """One name to put in its place: a member of the same class, a dotted path, a keyword or an option; empty when there is none."""
    advice: str = ""
    """The replacement for people where ``new`` alone does not say it."""
    removed: str = ""
    """Minor release without the old name; empty when no release ever had it, in parentheses when announced only."""
    needs: str = ""
    """First minor release that has the replacement: it must be in every targeted release."""
    fix: str = MANUAL
    arguments: str = ""
    """How the arguments map, and under which conditions."""
    returns: str = ""
    """How the value that comes back differs."""

    @property
    def text(self) -> str:
        """The replacement for people; empty when there is none."""
        return self.advice or self.new


def is_path(text: str) -> bool:
    """Whether a replacement is a dotted path of the drivers."""
    return re.fullmatch(r"(pymongo|bson|gridfs|motor)(\.\w+)*", text) is not None


def family_of(class_id: str) -> str:
    """The family of a class by its id, as in ``kinds``; empty for a class that is not an object of the user interface."""
    from flake8_mongo_threads.driver import kinds

    kind = kinds.class_kind(class_id)
    return kind[0] if kind is not None else ""


def member_replacement(family: str, name: str) -> Replacement | None:
    """The curated replacement of a member of a family's classes."""
    return MEMBERS.get((family, name))


def keyword_replacement(family: str, method: str, keyword: str) -> Replacement | None:
    """The curated replacement of a keyword argument of a method."""
    return KEYWORDS.get((family, method, keyword))


def path_replacement(path: str) -> Replacement | None:
    """The curated replacement of a dotted path; a path inside a moved module follows the module."""
    found = PATHS.get(path)
    if found is None and "." in path:
        parent, _, last = path.rpartition(".")
        module = PATHS.get(parent)
        if module is not None and parent in MOVED_MODULES:
            return module._replace(new=f"{module.new}.{last}")
    return found


def option_replacement(key: str) -> Replacement | None:
    """The curated replacement of a client option; case does not matter."""
    return OPTIONS.get(key.lower())


MEMBERS: dict[tuple[str, str], Replacement] = {
    ("collection", "insert"): Replacement(
        new="insert_one",
        advice="insert_one / insert_many",
        removed="4.0",
        needs="2.9",
        fix=COND,
        arguments=(
            "arg0 (doc_or_docs): dict display, dict(), {**x} -> insert_one(arg0); list/tuple display, comprehension, [..]*n"
            " -> insert_many(arg0); else report. continue_on_error=True -> insert_many(ordered=False) (negate a "
            "non-literal: ordered=not X). manipulate=True (default) drop; manipulate=False -> report. check_keys drop (4.x "
            "never checks). safe=True drop (2.x). w/j/wtimeout/fsync or safe=False(->w=0) -> "
            "recv.with_options(write_concern=WriteConcern(...)). 2nd..4th positional = manipulate, check_keys, "
            "continue_on_error: name them first"
        ),
        returns="_id (or list of _ids) -> .inserted_id / .inserted_ids, appended only when the value is used",
    ),
    ("collection", "save"): Replacement(
        new="replace_one",
        advice='insert_one | replace_one({"_id": d["_id"]}, d, upsert=True)',
        removed="4.0",
        needs="2.9",
        fix=COND,
        arguments=(
            'dict display without "_id" (and no **) -> insert_one(d); with "_id" and a name for d -> replace_one({"_id": '
            'd["_id"]}, d, upsert=True); unknown -> report and offer the guide\'s save() helper'
        ),
        returns='returned the _id -> .inserted_id | d["_id"]',
    ),
    ("collection", "update"): Replacement(
        new="update_one",
        advice="update_one / update_many / replace_one",
        removed="4.0",
        needs="2.9",
        fix=COND,
        arguments=(
            'spec->filter, document->update. document a dict display whose first key starts with "$": multi absent/False ->'
            ' update_one, multi=True -> update_many, multi non-literal -> report; first key without "$" -> replace_one '
            "(multi=True there was a server error); non-literal document -> report. upsert (3rd positional or keyword) kept"
            " as upsert=. POSITIONAL 4th.. (manipulate, multi, check_keys) must be named/dropped: 4th positional of "
            "update_one is bypass_document_validation. collation= kept. w/j/wtimeout/fsync -> with_options(write_concern=)."
            " safe= drop"
        ),
        returns=(
            'dict -> UpdateResult: r["n"] -> matched_count (+1 if upserted), r["nModified"] -> modified_count, '
            'r["updatedExisting"] -> matched_count > 0, r["upserted"] -> upserted_id; catch-all: append .raw_result (same '
            "dict, None when w=0)"
        ),
    ),
    ("collection", "remove"): Replacement(
        new="delete_many",
        advice="delete_many / delete_one",
        removed="4.0",
        needs="2.9",
        fix=COND,
        arguments=(
            "no arg -> delete_many({}); dict display -> delete_many(spec), multi=False -> delete_one(spec); non-mapping "
            'literal or ObjectId(...) call -> delete_many({"_id": x}); a bare name may be either: report unless it is '
            "assigned from a dict display. w/j/.. -> with_options. GOTCHA default is MANY"
        ),
        returns='dict -> DeleteResult: r["n"] -> deleted_count; catch-all .raw_result',
    ),
    ("collection", "find_and_modify"): Replacement(
        new="find_one_and_update",
        advice="find_one_and_update / find_one_and_replace / find_one_and_delete",
        removed="4.0",
        needs="2.9",
        fix=COND,
        arguments=(
            'query (default {}) -> filter; remove=True -> find_one_and_delete; update literal with "$" first -> ..._update,'
            " else ..._replace; new=True -> return_document=ReturnDocument.AFTER (import pymongo.ReturnDocument); fields= "
            "-> projection=; sort= kept (dict -> list of pairs); upsert= kept; full_response=True or manipulate=True or "
            "non-literal update -> report"
        ),
        returns="same document or None",
    ),
    ("collection", "count"): Replacement(
        new="count_documents",
        advice="count_documents / estimated_document_count",
        removed="4.0",
        needs="3.7",
        fix=COND,
        arguments=(
            "count() -> estimated_document_count() (same metadata count) or, inside a transaction/with session=, "
            "count_documents({}, session=..); count(F, ..) -> count_documents(F, "
            "skip/limit/hint/maxTimeMS/collation/session kept; limit=0 dropped: 0 is an error now). F containing "
            "$where/$near/$nearSphere -> report ($expr, $geoWithin+$center, $geoWithin+$centerSphere)"
        ),
        returns="int, same",
    ),
    ("collection", "ensure_index"): Replacement(
        new="create_index",
        removed="4.0",
        needs="2.7",
        fix=AUTO,
        arguments=(
            "key_or_list -> keys; drop cache_for/ttl (2nd positional too); bucket_size -> bucketSize; "
            "drop_dups/dropDups=True -> report (unsupported by the server since 3.0); rest kept. Add a note: no client-side"
            " cache any more, do not call it per write"
        ),
        returns="index name or None-if-cached -> always the name",
    ),
    ("collection", "reindex"): Replacement(
        advice='database.command("reIndex", name)',
        removed="4.0",
        needs="2.7",
        fix=AUTO,
        arguments='X.reindex(**k) -> X.database.command("reIndex", X.name, **k)',
        returns="same reply dict",
    ),
    ("collection", "group"): Replacement(
        new="aggregate",
        advice='aggregate([{"$group": ..}])',
        removed="4.0",
        needs="2.7",
        fix=MANUAL,
        arguments="JavaScript reduce cannot be translated",
        returns="list -> CommandCursor",
    ),
    ("collection", "inline_map_reduce"): Replacement(
        advice='database.command("mapReduce", name, map=, reduce=, out={"inline": 1}, ..)',
        removed="4.0",
        needs="2.7",
        fix=AUTO,
        arguments=(
            'X.inline_map_reduce(m, r, **k) -> X.database.command("mapReduce", X.name, map=m, reduce=r, out={"inline": 1}, '
            '**k)["results"]; full_response=True: without ["results"]'
        ),
        returns="list, same",
    ),
    ("collection", "map_reduce"): Replacement(
        new="aggregate",
        advice='database.command("mapReduce", ..) or aggregate',
        removed="4.0",
        needs="2.7",
        fix=MANUAL,
        arguments="command is mechanical, the returned Collection is not (out may be a str or a SON with db)",
        returns="Collection -> dict",
    ),
    ("collection", "parallel_scan"): Replacement(removed="4.0", fix=MANUAL, arguments="server command removed in 4.2"),
    ("collection", "initialize_ordered_bulk_op"): Replacement(
        new="bulk_write",
        advice="bulk_write([...])",
        removed="4.0",
        needs="2.9",
        fix=COND,
        arguments=(
            "straight-line builder in one scope: bulk.insert(d)->InsertOne(d); bulk.find(q).update_one(u)->UpdateOne(q,u); "
            ".update(u)->UpdateMany; .upsert().update_one(u)->UpdateOne(..,upsert=True); .replace_one(d)->ReplaceOne; "
            ".remove_one()->DeleteOne(q); .remove()->DeleteMany(q); bulk.execute(wc) -> coll.bulk_write(ops); a builder "
            "passed around -> report"
        ),
        returns="dict -> BulkWriteResult (.bulk_api_result is the old dict)",
    ),
    ("collection", "initialize_unordered_bulk_op"): Replacement(
        new="bulk_write",
        advice="bulk_write([...], ordered=False)",
        removed="4.0",
        needs="2.9",
        fix=COND,
        arguments="as above with ordered=False",
        returns="as above",
    ),
    ("collection", "get_lasterror_options"): Replacement(
        advice="with_options(write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("collection", "set_lasterror_options"): Replacement(
        advice="with_options(write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("collection", "unset_lasterror_options"): Replacement(
        advice="with_options(write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("collection", "safe"): Replacement(
        advice="with_options(write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("collection", "slave_okay"): Replacement(
        advice="with_options(write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("collection", "tag_sets"): Replacement(
        advice="with_options(write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("collection", "secondary_acceptable_latency_ms"): Replacement(
        advice="localThresholdMS client option",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("collection", "uuid_subtype"): Replacement(
        advice="with_options(write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("cursor", "count"): Replacement(
        advice="collection.count_documents(filter)",
        removed="4.0",
        needs="3.7",
        fix=COND,
        arguments=(
            "X.find(F, ..)[chain].count() in one expression, or c = X.find(F) with one def in the same scope -> "
            "X.count_documents(F); chain .hint(h) -> hint=h, .max_time_ms(t) -> maxTimeMS=t, .collation(c) -> collation=c, "
            ".comment(c) -> comment=c; .sort/.batch_size/projection dropped; .skip/.limit only with "
            "count(True|with_limit_and_skip=True) -> skip=, limit=; find() without filter -> estimated_document_count() or "
            "count_documents({})"
        ),
        returns="int, same",
    ),
    ("cursor", "conn_id"): Replacement(
        new="address",
        removed="3.0",
        needs="2.9",
        fix=AUTO,
        arguments="attribute rename",
        returns="int -> (host, port)",
    ),
    ("database", "collection_names"): Replacement(
        new="list_collection_names",
        removed="4.0",
        needs="3.6",
        fix=AUTO,
        arguments=(
            'session= kept; include_system_collections (1st positional) True -> drop; False -> filter={"name": {"$regex": '
            'r"^(?!system\\.)"}}; non-literal -> report'
        ),
        returns="list[str], same",
    ),
    ("database", "current_op"): Replacement(
        new="aggregate",
        advice='client.admin.aggregate([{"$currentOp": {...}}])',
        removed="4.0",
        needs="3.9",
        fix=MANUAL,
        arguments='include_all=True -> {"$currentOp": {"allUsers": True, "idleConnections": True}}',
        returns='{"inprog": [..]} -> cursor of the entries; only current_op()["inprog"] is mechanical: list(..)',
    ),
    ("database", "add_user"): Replacement(
        advice='command("createUser"|"updateUser", name, pwd=, roles=)',
        removed="4.0",
        needs="2.7",
        fix=MANUAL,
        arguments='add_user created OR updated; read_only=True -> roles=["read"]; roles= kept',
    ),
    ("database", "remove_user"): Replacement(
        advice='command("dropUser", name)',
        removed="4.0",
        needs="2.7",
        fix=AUTO,
        arguments="name, session= kept",
        returns="None -> reply dict",
    ),
    ("database", "authenticate"): Replacement(
        advice="MongoClient(username=, password=, authSource=, authMechanism=)",
        removed="4.0",
        needs="3.5",
        fix=MANUAL,
        arguments=(
            "name->username, password->password, source (default: this database) ->authSource, mechanism->authMechanism; "
            "non-local (constructor elsewhere)"
        ),
    ),
    ("database", "logout"): Replacement(removed="4.0", fix=MANUAL, arguments="delete together with authenticate"),
    ("database", "eval"): Replacement(
        advice='command("eval", Code(code), args=[..])["retval"] (server <= 4.0)',
        removed="4.0",
        needs="2.7",
        fix=MANUAL,
    ),
    ("database", "system_js"): Replacement(removed="4.0", fix=MANUAL),
    ("database", "error"): Replacement(removed="4.0", fix=MANUAL, arguments="writes are acknowledged and raise"),
    ("database", "last_status"): Replacement(removed="4.0", fix=MANUAL, arguments="writes are acknowledged and raise"),
    ("database", "previous_error"): Replacement(removed="4.0", fix=MANUAL, arguments="writes are acknowledged and raise"),
    ("database", "reset_error_history"): Replacement(removed="4.0", fix=MANUAL, arguments="writes are acknowledged and raise"),
    ("database", "profiling_level"): Replacement(
        advice='command("profile", -1)["was"]',
        removed="4.0",
        needs="2.7",
        fix=AUTO,
        arguments="session= kept",
        returns="int, same",
    ),
    ("database", "set_profiling_level"): Replacement(
        advice='command("profile", level, slowms=, sampleRate=, filter=)',
        removed="4.0",
        needs="2.7",
        fix=AUTO,
        arguments="level: pymongo.OFF/SLOW_ONLY/ALL -> 0/1/2; slow_ms->slowms; sample_rate->sampleRate; None values dropped",
        returns="None -> reply dict",
    ),
    ("database", "profiling_info"): Replacement(
        advice='list(db["system.profile"].find())',
        removed="4.0",
        needs="2.7",
        fix=AUTO,
        arguments="session= -> find(session=)",
        returns="list, same",
    ),
    ("database", "add_son_manipulator"): Replacement(
        advice="bson.codec_options.TypeCodec/TypeRegistry",
        removed="4.0",
        needs="3.8",
        fix=MANUAL,
    ),
    ("database", "incoming_manipulators"): Replacement(
        advice="bson.codec_options.TypeCodec/TypeRegistry",
        removed="4.0",
        needs="3.8",
        fix=MANUAL,
    ),
    ("database", "incoming_copying_manipulators"): Replacement(
        advice="bson.codec_options.TypeCodec/TypeRegistry",
        removed="4.0",
        needs="3.8",
        fix=MANUAL,
    ),
    ("database", "outgoing_manipulators"): Replacement(
        advice="bson.codec_options.TypeCodec/TypeRegistry",
        removed="4.0",
        needs="3.8",
        fix=MANUAL,
    ),
    ("database", "outgoing_copying_manipulators"): Replacement(
        advice="bson.codec_options.TypeCodec/TypeRegistry",
        removed="4.0",
        needs="3.8",
        fix=MANUAL,
    ),
    ("database", "connection"): Replacement(
        new="client",
        removed="3.0",
        needs="2.9",
        fix=AUTO,
        arguments="attribute rename",
        returns="same object",
    ),
    ("database", "get_lasterror_options"): Replacement(
        advice="client.get_database(name, write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("database", "set_lasterror_options"): Replacement(
        advice="client.get_database(name, write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("database", "unset_lasterror_options"): Replacement(
        advice="client.get_database(name, write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("database", "safe"): Replacement(
        advice="client.get_database(name, write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("database", "slave_okay"): Replacement(
        advice="client.get_database(name, write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("database", "tag_sets"): Replacement(
        advice="client.get_database(name, write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("database", "secondary_acceptable_latency_ms"): Replacement(
        advice="client.get_database(name, write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("database", "uuid_subtype"): Replacement(
        advice="client.get_database(name, write_concern= / read_preference= / codec_options=)",
        removed="3.0",
        needs="2.9",
        fix=MANUAL,
    ),
    ("client", "database_names"): Replacement(
        new="list_database_names",
        removed="4.0",
        needs="3.6",
        fix=AUTO,
        arguments="session= kept",
        returns="list[str], same",
    ),
    ("client", "disconnect"): Replacement(new="close", removed="3.0", needs="2.7", fix=AUTO, arguments="rename"),
    ("client", "fsync"): Replacement(
        advice='admin.command("fsync", ..)',
        removed="4.0",
        needs="2.7",
        fix=AUTO,
        arguments='**options kept (lock=True; async=True -> **{"async": True})',
        returns="same reply",
    ),
    ("client", "unlock"): Replacement(
        advice='admin.command("fsyncUnlock")',
        removed="4.0",
        needs="2.7",
        fix=AUTO,
        arguments="session= kept",
    ),
    ("client", "is_locked"): Replacement(
        advice='admin.command("currentOp").get("fsyncLock", False)',
        removed="4.0",
        needs="2.7",
        fix=AUTO,
        arguments="attribute -> call",
        returns="bool; today it is a truthy-less Database (bool() raises)",
    ),
    ("client", "max_bson_size"): Replacement(
        advice='admin.command("hello")["maxBsonObjectSize"]',
        removed="4.0",
        needs="2.7",
        fix=AUTO,
        arguments="attribute -> call (one round trip each)",
        returns="int, same; unreplaced it silently is a Database",
    ),
    ("client", "max_message_size"): Replacement(
        advice='admin.command("hello")["maxMessageSizeBytes"]',
        removed="4.0",
        needs="2.7",
        fix=AUTO,
        arguments="attribute -> call (one round trip each)",
        returns="int, same; unreplaced it silently is a Database",
    ),
    ("client", "max_write_batch_size"): Replacement(
        advice='admin.command("hello")["maxWriteBatchSize"]',
        removed="4.0",
        needs="2.7",
        fix=AUTO,
        arguments="attribute -> call (one round trip each)",
        returns="int, same; unreplaced it silently is a Database",
    ),
    ("client", "max_pool_size"): Replacement(
        advice="options.pool_options.max_pool_size",
        removed="4.0",
        needs="3.13",
        fix=AUTO,
        arguments="attribute chain.",
        returns="unreplaced it silently is a Database object, no exception",
    ),
    ("client", "min_pool_size"): Replacement(
        advice="options.pool_options.min_pool_size",
        removed="4.0",
        needs="3.13",
        fix=AUTO,
        arguments="attribute chain.",
        returns="unreplaced it silently is a Database object, no exception",
    ),
    ("client", "max_idle_time_ms"): Replacement(
        advice="options.pool_options.max_idle_time_seconds",
        removed="4.0",
        needs="3.13",
        fix=COND,
        arguments='attribute chain. UNIT: ms -> s, write "* 1000"; None stays None',
        returns="unreplaced it silently is a Database object, no exception",
    ),
    ("client", "local_threshold_ms"): Replacement(
        advice="options.local_threshold_ms",
        removed="4.0",
        needs="3.13",
        fix=AUTO,
        arguments="attribute chain.",
        returns="unreplaced it silently is a Database object, no exception",
    ),
    ("client", "server_selection_timeout"): Replacement(
        advice="options.server_selection_timeout",
        removed="4.0",
        needs="3.13",
        fix=AUTO,
        arguments="attribute chain.",
        returns="unreplaced it silently is a Database object, no exception",
    ),
    ("client", "retry_writes"): Replacement(
        advice="options.retry_writes",
        removed="4.0",
        needs="3.13",
        fix=AUTO,
        arguments="attribute chain.",
        returns="unreplaced it silently is a Database object, no exception",
    ),
    ("client", "retry_reads"): Replacement(
        advice="options.retry_reads",
        removed="4.0",
        needs="3.13",
        fix=AUTO,
        arguments="attribute chain.",
        returns="unreplaced it silently is a Database object, no exception",
    ),
    ("client", "event_listeners"): Replacement(
        advice="options.event_listeners",
        removed="4.0",
        needs="3.13",
        fix=AUTO,
        arguments="attribute chain.",
        returns="unreplaced it silently is a Database object, no exception",
    ),
    ("client", "close_cursor"): Replacement(advice="Cursor.close()", removed="4.0", needs="2.7", fix=MANUAL),
    ("client", "kill_cursors"): Replacement(advice="Cursor.close()", removed="4.0", needs="2.7", fix=MANUAL),
    ("client", "set_cursor_manager"): Replacement(removed="4.0", fix=MANUAL),
    ("client", "alive"): Replacement(
        advice='admin.command("ping") in try/except',
        removed="3.0",
        needs="2.7",
        fix=MANUAL,
        returns="bool -> raises ConnectionFailure",
    ),
    ("client", "start_request"): Replacement(
        advice="start_session() (causally consistent), or nothing",
        removed="3.0",
        needs="3.6",
        fix=COND,
        arguments="with c.start_request(): body -> body; end_request() statements deleted; others report",
    ),
    ("client", "end_request"): Replacement(
        advice="start_session() (causally consistent), or nothing",
        removed="3.0",
        needs="3.6",
        fix=COND,
        arguments="with c.start_request(): body -> body; end_request() statements deleted; others report",
    ),
    ("client", "in_request"): Replacement(
        advice="start_session() (causally consistent), or nothing",
        removed="3.0",
        needs="3.6",
        fix=COND,
        arguments="with c.start_request(): body -> body; end_request() statements deleted; others report",
    ),
    ("client", "auto_start_request"): Replacement(
        advice="start_session() (causally consistent), or nothing",
        removed="3.0",
        needs="3.6",
        fix=COND,
        arguments="with c.start_request(): body -> body; end_request() statements deleted; others report",
    ),
    ("client", "copy_database"): Replacement(removed="3.0", fix=MANUAL, arguments="mongodump/mongorestore"),
    ("client", "host"): Replacement(
        new="address",
        advice="address[0] / address[1]",
        removed="3.0",
        needs="2.9",
        fix=COND,
        arguments="only for a standalone; address raises for mongos lists",
    ),
    ("client", "port"): Replacement(
        new="address",
        advice="address[0] / address[1]",
        removed="3.0",
        needs="2.9",
        fix=COND,
        arguments="only for a standalone; address raises for mongos lists",
    ),
    ("client", "document_class"): Replacement(
        advice="codec_options.document_class / .tz_aware",
        removed="3.0",
        needs="2.9",
        fix=AUTO,
        arguments="reads only; assignment -> report",
    ),
    ("client", "tz_aware"): Replacement(
        advice="codec_options.document_class / .tz_aware",
        removed="3.0",
        needs="2.9",
        fix=AUTO,
        arguments="reads only; assignment -> report",
    ),
    ("client", "get_document_class"): Replacement(
        advice="codec_options.document_class",
        removed="3.0",
        needs="2.9",
        fix=COND,
        arguments="get: mechanical; set: report",
    ),
    ("client", "set_document_class"): Replacement(
        advice="codec_options.document_class",
        removed="3.0",
        needs="2.9",
        fix=COND,
        arguments="get: mechanical; set: report",
    ),
    ("client", "min_wire_version"): Replacement(removed="3.0", fix=MANUAL),
    ("client", "max_wire_version"): Replacement(removed="3.0", fix=MANUAL),
    ("client", "safe"): Replacement(new="write_concern", removed="3.0", fix=MANUAL),
    ("client", "slave_okay"): Replacement(new="read_preference", removed="3.0", fix=MANUAL),
    ("client", "tag_sets"): Replacement(new="read_preference", removed="3.0", fix=MANUAL),
    ("client", "secondary_acceptable_latency_ms"): Replacement(advice="options.local_threshold_ms", removed="3.0", fix=MANUAL),
    ("client", "uuid_subtype"): Replacement(removed="3.0", fix=MANUAL),
    ("client", "use_greenlets"): Replacement(removed="3.0", fix=MANUAL),
    ("client", "get_lasterror_options"): Replacement(removed="3.0", fix=MANUAL),
    ("client", "set_lasterror_options"): Replacement(removed="3.0", fix=MANUAL),
    ("client", "unset_lasterror_options"): Replacement(removed="3.0", fix=MANUAL),
    # Names that no release ever had.
    ("collection", "find_many"): Replacement(new="find", fix=COND, arguments="same; the result is a cursor, not a list"),
    ("collection", "upsert"): Replacement(new="update_one", advice="update_one(filter, update, upsert=True)", fix=MANUAL),
    ("collection", "upsert_one"): Replacement(new="update_one", advice="update_one(filter, update, upsert=True)", fix=MANUAL),
    ("collection", "bulk_insert"): Replacement(new="insert_many", fix=MANUAL),
    ("collection", "bulk_update"): Replacement(new="bulk_write", fix=MANUAL),
    ("collection", "count_document"): Replacement(new="count_documents", needs="3.7", fix=AUTO),
    ("collection", "get"): Replacement(new="find_one", fix=MANUAL),
    ("collection", "toArray"): Replacement(advice="find().to_list() (4.9)", fix=MANUAL),
    ("collection", "get_indexes"): Replacement(new="list_indexes", needs="3.0", fix=MANUAL, returns="list -> cursor"),
    ("collection", "getIndexes"): Replacement(new="list_indexes", needs="3.0", fix=MANUAL, returns="list -> cursor"),
    ("cursor", "toArray"): Replacement(new="to_list", needs="4.9", fix=AUTO),
    ("cursor", "fetchall"): Replacement(new="to_list", needs="4.9", fix=AUTO),
    ("cursor", "fetchone"): Replacement(advice="next(cursor, None)", fix=MANUAL),
    ("cursor", "forEach"): Replacement(advice="a for loop", fix=MANUAL),
    ("cursor", "pretty"): Replacement(advice="pprint.pprint", fix=MANUAL),
    ("cursor", "project"): Replacement(advice="find(filter, projection)", fix=MANUAL),
    ("cursor", "projection"): Replacement(advice="find(filter, projection)", fix=MANUAL),
    ("database", "get_collection_names"): Replacement(new="list_collection_names", needs="3.6", fix=AUTO, returns="list[str], same"),
    ("database", "getCollectionNames"): Replacement(new="list_collection_names", needs="3.6", fix=AUTO, returns="list[str], same"),
    ("database", "runCommand"): Replacement(new="command", needs="2.7", fix=AUTO),
    ("database", "run_command"): Replacement(new="command", needs="2.7", fix=AUTO),
    ("database", "rename_collection"): Replacement(advice="database[old].rename(new)", fix=MANUAL),
    ("database", "has_collection"): Replacement(advice="name in list_collection_names()", needs="3.6", fix=MANUAL),
    ("database", "collection_exists"): Replacement(advice="name in list_collection_names()", needs="3.6", fix=MANUAL),
    ("database", "drop"): Replacement(advice="client.drop_database(name)", fix=MANUAL),
    ("database", "drop_database"): Replacement(advice="client.drop_database(name)", fix=MANUAL),
    ("client", "get_collection"): Replacement(advice="client[database][collection]", fix=MANUAL),
    ("client", "is_connected"): Replacement(
        advice='admin.command("ping") in try/except', fix=MANUAL, returns="bool -> raises ConnectionFailure"
    ),
    ("client", "is_closed"): Replacement(
        advice="nothing: the client does not say; keep one client for the life of the process", fix=MANUAL
    ),
    ("client", "closed"): Replacement(advice="nothing: the client does not say; keep one client for the life of the process", fix=MANUAL),
    ("client", "connected"): Replacement(advice='admin.command("ping") in try/except', fix=MANUAL),
    ("client", "connect"): Replacement(advice="nothing: drop it, the first operation connects", fix=MANUAL),
    ("client", "ping"): Replacement(advice='admin.command("ping")', fix=MANUAL),
    ("client", "pool"): Replacement(advice="options.pool_options", needs="3.13", fix=MANUAL),
    ("client", "get_pool"): Replacement(advice="options.pool_options", needs="3.13", fix=MANUAL),
    ("client", "ThreadPool"): Replacement(advice="concurrent.futures.ThreadPoolExecutor", fix=MANUAL),
    ("client", "start_transaction"): Replacement(advice="start_session(), then session.start_transaction()", needs="3.7", fix=MANUAL),
    ("client", "with_transaction"): Replacement(advice="start_session(), then session.with_transaction()", needs="3.9", fix=MANUAL),
    ("cursor", "closed"): Replacement(advice="not cursor.alive", fix=MANUAL),
    ("cursor", "hasNext"): Replacement(advice="a for loop, or next(cursor, None)", fix=MANUAL),
    ("command-cursor", "closed"): Replacement(advice="not cursor.alive", fix=MANUAL),
    ("change-stream", "closed"): Replacement(advice="not stream.alive", fix=MANUAL),
    ("session", "closed"): Replacement(advice="has_ended", needs="3.6", fix=MANUAL),
    # Motor's own members.
    ("cursor", "each"): Replacement(advice="async for", fix=MANUAL),
    ("cursor", "fetch_next"): Replacement(
        advice="async for / await cursor.next()", fix=COND, arguments="while await c.fetch_next: d = c.next_object() -> async for d in c"
    ),
    ("cursor", "next_object"): Replacement(
        advice="async for / await cursor.next()", fix=COND, arguments="while await c.fetch_next: d = c.next_object() -> async for d in c"
    ),
    ("grid-out", "stream_to_handler"): Replacement(advice="a loop that reads and writes", fix=MANUAL),
    ("client", "io_loop"): Replacement(fix=MANUAL),
    ("client", "get_io_loop"): Replacement(fix=MANUAL),
    ("gridfs", "open"): Replacement(
        advice="get / new_file", removed="3.0", needs="2.7", fix=MANUAL, arguments="raised UnsupportedAPI since 1.6"
    ),
    ("gridfs", "remove"): Replacement(new="delete", removed="3.0", needs="2.7", fix=MANUAL, arguments="raised UnsupportedAPI since 1.6"),
}
"""(family, member) -> replacement."""

_FIND = ("find", "find_one", "__init__")


def _find(keyword: str, replacement: Replacement) -> dict[tuple[str, str, str], Replacement]:
    # ``Cursor(collection, …)`` takes what ``find`` takes.
    return {("cursor" if method == "__init__" else "collection", method, keyword): replacement for method in _FIND}


_VIA_OPTIONS = Replacement(advice="with_options(...) / max_time_ms", removed="3.0", needs="2.9", fix=MANUAL)
_CURSOR_TYPE = Replacement(
    new="cursor_type",
    advice="cursor_type=CursorType.TAILABLE / TAILABLE_AWAIT / EXHAUST",
    removed="3.0",
    needs="3.0",
    fix=COND,
    arguments="literal booleans only",
)

KEYWORDS: dict[tuple[str, str, str], Replacement] = {
    **_find("spec", Replacement(new="filter", removed="3.0", needs="3.0", fix=AUTO, arguments="keyword rename")),
    ("collection", "find_one", "spec_or_id"): Replacement(new="filter", removed="3.0", needs="3.0", fix=AUTO, arguments="keyword rename"),
    **_find("fields", Replacement(new="projection", removed="3.0", needs="3.0", fix=AUTO, arguments="keyword rename")),
    **_find("partial", Replacement(new="allow_partial_results", removed="3.0", needs="3.0", fix=AUTO, arguments="keyword rename")),
    **_find("timeout", Replacement(new="no_cursor_timeout", removed="3.0", needs="3.0", fix=AUTO, arguments="value negated")),
    **_find("tailable", _CURSOR_TYPE),
    **_find("await_data", _CURSOR_TYPE),
    **_find("exhaust", _CURSOR_TYPE),
    **_find("as_class", _VIA_OPTIONS),
    **_find("slave_okay", _VIA_OPTIONS),
    **_find("read_preference", _VIA_OPTIONS),
    **_find("tag_sets", _VIA_OPTIONS),
    **_find("compile_re", _VIA_OPTIONS),
    **_find("network_timeout", _VIA_OPTIONS),
    **_find("secondary_acceptable_latency_ms", _VIA_OPTIONS),
    **_find(
        "modifiers",
        Replacement(
            advice="comment= hint= min= max= max_time_ms= return_key= show_record_id=",
            removed="4.0",
            needs="3.5",
            fix=COND,
            arguments=(
                "dict display: $comment, $hint, $min, $max, $maxTimeMS, $returnKey, $showDiskLoc->show_record_id, "
                "$query/$orderby -> filter/sort; non-literal -> report"
            ),
        ),
    ),
    **_find("manipulate", Replacement(removed="4.0", fix=AUTO, arguments="drop when False (or when no SONManipulator is in use)")),
    ("collection", "aggregate", "useCursor"): Replacement(removed="4.0", fix=AUTO, arguments="drop keyword"),
    ("collection", "create_index", "drop_dups"): Replacement(removed="3.0", fix=MANUAL, arguments="the server ignores or refuses it"),
    ("collection", "create_index", "cache_for"): Replacement(removed="3.0", fix=AUTO, arguments="drop keyword"),
    ("gridfs", "__init__", "disable_md5"): Replacement(removed="4.0", fix=AUTO, arguments="drop keyword (no md5 is made any more)"),
    ("gridfs-bucket", "__init__", "disable_md5"): Replacement(removed="4.0", fix=AUTO, arguments="drop keyword (no md5 is made any more)"),
}
"""(family, method, keyword) -> replacement; ``new`` is the keyword to use."""

_TO_BSON = ("binary", "code", "dbref", "json_util", "max_key", "min_key", "objectid", "son", "timestamp", "tz_util")
_PRIVATE = Replacement(
    advice="nothing public: the module was internal (now pymongo.synchronous.*, pymongo.asynchronous.*, *_shared)",
    removed="4.9",
    fix=MANUAL,
    arguments="internal module; not in any changelog",
)
_NO_POOL = Replacement(
    advice="MongoClient(maxPoolSize=...): the client has its own pool and is safe to share between threads",
    fix=MANUAL,
    arguments="for a pool of worker threads: concurrent.futures.ThreadPoolExecutor",
)
_NO_THREAD_POOL = Replacement(
    advice="concurrent.futures.ThreadPoolExecutor; for connections MongoClient(maxPoolSize=...)",
    fix=COND,
    arguments="ThreadPool(n, max_size=m) -> ThreadPoolExecutor(max_workers=m, else n), .schedule -> .submit, .shutdown() the same",
)
_OTHER_BSON = Replacement(
    advice="bson.encode / bson.decode, or bson.json_util.dumps / loads",
    fix=MANUAL,
    arguments="the interface of another distribution named bson",
)

MOVED_MODULES = frozenset(f"pymongo.{name}" for name in _TO_BSON) | frozenset(
    ("bson.json_utils", "bson.objectId", "pymongo.exceptions", "pymongo.read_preference", "pymongo.client")
)
"""Modules whose names are all found in their replacement."""

PATHS: dict[str, Replacement] = {
    **{
        f"pymongo.{name}": Replacement(
            new=f"bson.{name}", removed="2.2", needs="1.9", fix=AUTO, arguments="import path", returns="same classes"
        )
        for name in _TO_BSON
    },
    "pymongo.Connection": Replacement(
        new="pymongo.MongoClient",
        removed="3.0",
        needs="2.4",
        fix=COND,
        arguments=(
            "positional 3.. (max_pool_size, network_timeout, document_class, tz_aware) must be named; network_timeout (s) -> "
            'socketTimeoutMS (ms); slave_okay=True -> readPreference="secondaryPreferred"; safe= dropped; the write concern changes '
            "from w=0 to w=1"
        ),
    ),
    "pymongo.connection": Replacement(new="pymongo.mongo_client", removed="3.0", needs="2.4", fix=MANUAL),
    "pymongo.connection.Connection": Replacement(
        new="pymongo.MongoClient", removed="3.0", needs="2.4", fix=COND, arguments="as pymongo.Connection"
    ),
    "pymongo.ReplicaSetConnection": Replacement(
        new="pymongo.MongoClient",
        removed="3.0",
        needs="2.4",
        fix=COND,
        arguments="as pymongo.Connection; hosts_or_uri= -> host=; replicaSet= kept",
    ),
    "pymongo.replica_set_connection.ReplicaSetConnection": Replacement(
        new="pymongo.MongoClient", removed="3.0", needs="2.4", fix=COND, arguments="as pymongo.ReplicaSetConnection"
    ),
    "pymongo.MongoReplicaSetClient": Replacement(
        new="pymongo.MongoClient",
        removed="4.0",
        needs="3.0",
        fix=AUTO,
        arguments="same arguments since 3.0 (2.x: hosts_or_uri= -> host=, 2nd positional max_pool_size)",
    ),
    "pymongo.mongo_replica_set_client.MongoReplicaSetClient": Replacement(
        new="pymongo.MongoClient", removed="4.0", needs="3.0", fix=AUTO, arguments="as pymongo.MongoReplicaSetClient"
    ),
    "pymongo.master_slave_connection.MasterSlaveConnection": Replacement(removed="3.0", fix=MANUAL),
    "pymongo.GEOHAYSTACK": Replacement(advice='"geoHaystack"', removed="4.0", fix=AUTO, arguments="constant -> its value"),
    "pymongo.OFF": Replacement(advice="0", removed="4.0", fix=AUTO, arguments="constant -> its value"),
    "pymongo.SLOW_ONLY": Replacement(advice="1", removed="4.0", fix=AUTO, arguments="constant -> its value"),
    "pymongo.ALL": Replacement(advice="2", removed="4.0", fix=AUTO, arguments="constant -> its value"),
    "pymongo.errors.NotMasterError": Replacement(
        new="pymongo.errors.NotPrimaryError",
        removed="4.0",
        needs="3.12",
        fix=AUTO,
        arguments="import + uses",
        returns="same class in 3.12/3.13",
    ),
    "pymongo.errors.TimeoutError": Replacement(
        advice="pymongo.errors.WTimeoutError (write concern) / NetworkTimeout / ExecutionTimeout", removed="3.0", needs="2.7", fix=MANUAL
    ),
    "pymongo.errors.UnsupportedOption": Replacement(removed="3.0", fix=MANUAL),
    "pymongo.errors.CertificateError": Replacement(removed="4.0", fix=AUTO, arguments="drop from except tuple: never raised since 3.0"),
    "pymongo.errors.ExceededMaxWaiters": Replacement(
        new="pymongo.errors.WaitQueueTimeoutError", removed="4.0", needs="4.2", fix=MANUAL, arguments="different condition"
    ),
    **{
        f"pymongo.errors.{name}": Replacement(
            new=f"bson.errors.{name}", removed="4.1", needs="1.9", fix=AUTO, arguments="an alias since 1.9", returns="same class"
        )
        for name in ("InvalidId", "InvalidBSON", "InvalidStringData", "BSONError")
    },
    "pymongo.ismaster.IsMaster": Replacement(new="pymongo.hello.Hello", removed="4.0", needs="3.12", fix=AUTO),
    **{
        name: Replacement(removed="4.0", fix=MANUAL, arguments="module")
        for name in (
            "bson.py3compat",
            "pymongo.cursor_manager",
            "pymongo.monotonic",
            "pymongo.son_manipulator",
            "pymongo.ssl_match_hostname",
            "pymongo.thread_util",
        )
    },
    **{
        f"pymongo.{name}": _PRIVATE
        for name in ("aggregation", "auth_aws", "bulk", "helpers", "monitor", "network", "server", "settings", "topology")
    },
    "pymongo.periodic_executor": _PRIVATE._replace(removed="4.9 (back in 4.11)"),
    "pymongo.srv_resolver": _PRIVATE._replace(removed="4.12"),
    "pymongo.pool.SocketInfo": Replacement(advice="pymongo.pool.Connection (internal)", removed="4.5", needs="4.5", fix=MANUAL),
    "pymongo.cursor._QUERY_OPTIONS": Replacement(
        new="pymongo.cursor_shared._QUERY_OPTIONS",
        removed="4.9",
        needs="4.9",
        fix=MANUAL,
        arguments="what breaks Motor before 3.6 on PyMongo 4.9 and later",
    ),
    "bson.BSON.from_dict": Replacement(
        new="bson.BSON.encode", advice="bson.encode (3.9) or BSON.encode", removed="2.2", needs="1.9", fix=AUTO
    ),
    "bson.BSON.to_dict": Replacement(
        new="bson.BSON.decode", advice="bson.decode (3.9) or BSON.decode", removed="2.2", needs="1.9", fix=AUTO
    ),
    "bson.binary.UUIDLegacy": Replacement(
        advice="Binary.from_uuid(u, UuidRepresentation.PYTHON_LEGACY)", removed="4.0", needs="3.11", fix=AUTO, returns="Binary subtype 3"
    ),
    "bson.json_util.STRICT_JSON_OPTIONS": Replacement(
        advice="bson.json_util.CANONICAL_JSON_OPTIONS or RELAXED_JSON_OPTIONS",
        removed="4.0",
        needs="3.5",
        fix=MANUAL,
        arguments="encodings differ",
    ),
    "bson.son.SON.iteritems": Replacement(new="bson.son.SON.items", removed="4.0", needs="2.7", fix=AUTO, returns="iterator -> view"),
    "bson.son.SON.has_key": Replacement(advice="key in son", removed="(5.0)", needs="2.7", fix=AUTO),
    "bson.son.SON.iterkeys": Replacement(new="bson.son.SON.keys", removed="(5.0)", needs="2.7", fix=AUTO),
    "bson.son.SON.itervalues": Replacement(new="bson.son.SON.values", removed="(5.0)", needs="2.7", fix=AUTO),
    # Names that no release ever had.
    "pymongo.results.InsertManyResult.inserted_count": Replacement(advice="len(result.inserted_ids)", fix=AUTO),
    "pymongo.results.InsertManyResult.inserted_id": Replacement(
        new="pymongo.results.InsertManyResult.inserted_ids", needs="2.9", fix=MANUAL
    ),
    "pymongo.results.InsertOneResult.inserted_ids": Replacement(new="pymongo.results.InsertOneResult.inserted_id", needs="2.9", fix=MANUAL),
    "pymongo.results.UpdateResult.upserted_count": Replacement(advice="int(result.upserted_id is not None)", fix=MANUAL),
    "pymongo.results.UpdateResult.updated_count": Replacement(new="pymongo.results.UpdateResult.modified_count", needs="2.9", fix=MANUAL),
    "pymongo.results.DeleteResult.modified_count": Replacement(new="pymongo.results.DeleteResult.deleted_count", needs="2.9", fix=AUTO),
    "pymongo.pool.ThreadPool": _NO_THREAD_POOL,
    "pymongo.ThreadPool": _NO_THREAD_POOL,
    "pymongo.thread_pool": _NO_THREAD_POOL,
    "pymongo.threadpool": _NO_THREAD_POOL,
    "pymongo.pool.ConnectionPool": _NO_POOL,
    "pymongo.ConnectionPool": _NO_POOL,
    "pymongo.connection_pool": _NO_POOL,
    "pymongo.MongoClientPool": _NO_POOL,
    "pymongo.Pool": _NO_POOL,
    "pymongo.errors.ConnectionError": Replacement(new="pymongo.errors.ConnectionFailure", needs="2.7", fix=AUTO),
    "pymongo.errors.ConnectionTimeout": Replacement(new="pymongo.errors.NetworkTimeout", needs="3.0", fix=MANUAL),
    "pymongo.errors.AuthenticationFailed": Replacement(
        new="pymongo.errors.OperationFailure", advice="pymongo.errors.OperationFailure (code 18)", needs="2.7", fix=MANUAL
    ),
    "pymongo.errors.AuthenticationError": Replacement(
        new="pymongo.errors.OperationFailure", advice="pymongo.errors.OperationFailure (code 18)", needs="2.7", fix=MANUAL
    ),
    "pymongo.errors.ServerSelectionError": Replacement(new="pymongo.errors.ServerSelectionTimeoutError", needs="3.0", fix=AUTO),
    "pymongo.errors.ServerSelectionTimeout": Replacement(new="pymongo.errors.ServerSelectionTimeoutError", needs="3.0", fix=AUTO),
    "pymongo.errors.DuplicateKeyException": Replacement(new="pymongo.errors.DuplicateKeyError", needs="2.7", fix=AUTO),
    "pymongo.errors.ValidationError": Replacement(
        new="pymongo.errors.WriteError", advice="pymongo.errors.WriteError (code 121)", needs="3.0", fix=MANUAL
    ),
    "pymongo.errors.MongoError": Replacement(new="pymongo.errors.PyMongoError", needs="2.7", fix=AUTO),
    "pymongo.errors.NotFound": Replacement(advice="nothing: test whether find_one returned None", fix=MANUAL),
    "pymongo.errors.DocumentNotFound": Replacement(advice="nothing: test whether find_one returned None", fix=MANUAL),
    "pymongo.ObjectId": Replacement(new="bson.ObjectId", needs="2.7", fix=AUTO),
    "pymongo.client": Replacement(new="pymongo.mongo_client", needs="2.7", fix=AUTO),
    "pymongo.exceptions": Replacement(new="pymongo.errors", needs="2.7", fix=AUTO),
    "pymongo.read_preference": Replacement(new="pymongo.read_preferences", needs="2.7", fix=AUTO),
    "pymongo.session": Replacement(new="pymongo.client_session", needs="3.6", fix=AUTO),
    "pymongo.AsyncClient": Replacement(new="pymongo.AsyncMongoClient", needs="4.9", fix=AUTO),
    "pymongo.AsyncIOMotorClient": Replacement(
        new="motor.motor_asyncio.AsyncIOMotorClient",
        advice="pymongo.AsyncMongoClient (4.9) or motor.motor_asyncio.AsyncIOMotorClient",
        needs="0.7",
        fix=MANUAL,
    ),
    "pymongo.asyncio": Replacement(advice="pymongo.AsyncMongoClient / pymongo.asynchronous.*", needs="4.9", fix=MANUAL),
    "pymongo.aio": Replacement(advice="pymongo.AsyncMongoClient / pymongo.asynchronous.*", needs="4.9", fix=MANUAL),
    "pymongo.asynchronous.AsyncMongoClient": Replacement(new="pymongo.AsyncMongoClient", needs="4.9", fix=AUTO),
    "pymongo.mongo_client.AsyncMongoClient": Replacement(new="pymongo.AsyncMongoClient", needs="4.9", fix=AUTO),
    "pymongo.UpsertOne": Replacement(advice="UpdateOne(filter, update, upsert=True)", fix=MANUAL),
    "pymongo.operations.UpsertOne": Replacement(advice="UpdateOne(filter, update, upsert=True)", fix=MANUAL),
    "pymongo.InsertMany": Replacement(advice="[InsertOne(d) for d in documents] or insert_many(documents)", fix=MANUAL),
    "pymongo.DESC": Replacement(new="pymongo.DESCENDING", needs="2.7", fix=AUTO),
    "pymongo.ASC": Replacement(new="pymongo.ASCENDING", needs="2.7", fix=AUTO),
    "bson.json_utils": Replacement(new="bson.json_util", needs="2.7", fix=AUTO),
    "bson.objectId": Replacement(new="bson.objectid", needs="2.7", fix=AUTO),
    "bson.dumps": _OTHER_BSON,
    "bson.loads": _OTHER_BSON,
    "motor.AsyncIOMotorClient": Replacement(new="motor.motor_asyncio.AsyncIOMotorClient", needs="0.7", fix=AUTO),
    "motor.motor_asyncio.AsyncMongoClient": Replacement(
        new="pymongo.AsyncMongoClient",
        advice="pymongo.AsyncMongoClient (4.9) or motor.motor_asyncio.AsyncIOMotorClient",
        needs="4.9",
        fix=MANUAL,
    ),
    "motor.motor_asyncio.AsyncIOMotorSession": Replacement(new="motor.motor_asyncio.AsyncIOMotorClientSession", needs="2.0", fix=AUTO),
    "motor.motor_tornado.MotorGridFS": Replacement(
        new="motor.motor_tornado.MotorGridFSBucket",
        removed="2.0",
        needs="1.1",
        fix=MANUAL,
    ),
    "motor.motor_asyncio.AsyncIOMotorGridFS": Replacement(
        new="motor.motor_asyncio.AsyncIOMotorGridFSBucket",
        removed="2.0",
        needs="1.1",
        fix=MANUAL,
        arguments="put -> upload_from_stream, get -> open_download_stream, exists/find_one -> find",
    ),
}
"""Dotted path of a module, a module's name, or a member of a class outside the families -> replacement."""

_LOCAL_THRESHOLD = Replacement(new="localThresholdMS", removed="3.0", needs="2.9", fix=AUTO)
_SECONDARY = Replacement(
    new="readPreference",
    advice='readPreference="secondaryPreferred"',
    removed="3.0",
    needs="2.7",
    fix=COND,
    arguments="True only; False: drop",
)
_POOL_SIZE = Replacement(new="maxPoolSize", needs="2.9", fix=AUTO)

OPTIONS: dict[str, Replacement] = {
    "max_pool_size": Replacement(
        new="maxPoolSize", removed="3.0", needs="2.9", fix=AUTO, arguments="also the 3rd positional of MongoClient in 2.x"
    ),
    "network_timeout": Replacement(new="socketTimeoutMS", removed="3.0", needs="2.7", fix=COND, arguments="seconds -> milliseconds"),
    "slave_okay": _SECONDARY,
    "slaveok": _SECONDARY,
    "safe": Replacement(removed="3.0", fix=AUTO, arguments="True: drop; False -> w=0"),
    "auto_start_request": Replacement(removed="3.0", fix=AUTO, arguments="drop"),
    "use_greenlets": Replacement(removed="3.0", fix=AUTO, arguments="drop; gevent.monkey.patch_all()"),
    "_connect": Replacement(new="connect", removed="3.0", needs="2.9", fix=AUTO),
    "tag_sets": Replacement(new="readPreferenceTags", removed="3.0", needs="2.7", fix=MANUAL),
    "secondary_acceptable_latency_ms": _LOCAL_THRESHOLD,
    "secondaryacceptablelatencyms": _LOCAL_THRESHOLD,
    "gssapiservicename": Replacement(
        new="authMechanismProperties",
        advice='authMechanismProperties="SERVICE_NAME:x"',
        removed="3.0",
        needs="2.9",
        fix=COND,
        arguments="merge when authMechanismProperties is there already",
    ),
    "socketkeepalive": Replacement(removed="4.0", fix=AUTO, arguments="drop"),
    "waitqueuemultiple": Replacement(removed="4.0", fix=AUTO, arguments="drop; 4.x still accepts and ignores it"),
    "ssl_ca_certs": Replacement(new="tlsCAFile", removed="4.0", needs="3.9", fix=AUTO),
    "ssl_crlfile": Replacement(new="tlsCRLFile", removed="4.0", needs="3.9", fix=AUTO),
    "ssl_pem_passphrase": Replacement(new="tlsCertificateKeyFilePassword", removed="4.0", needs="3.9", fix=AUTO),
    "ssl_cert_reqs": Replacement(
        new="tlsAllowInvalidCertificates",
        removed="4.0",
        needs="3.9",
        fix=COND,
        arguments="CERT_NONE -> True; CERT_REQUIRED/CERT_OPTIONAL -> drop; non-literal: report",
    ),
    "ssl_match_hostname": Replacement(new="tlsAllowInvalidHostnames", removed="4.0", needs="3.9", fix=COND, arguments="value negated"),
    "ssl_certfile": Replacement(
        new="tlsCertificateKeyFile", removed="4.0", needs="3.9", fix=MANUAL, arguments="one file with both certificate and key"
    ),
    "ssl_keyfile": Replacement(
        new="tlsCertificateKeyFile", removed="4.0", needs="3.9", fix=MANUAL, arguments="one file with both certificate and key"
    ),
    "j": Replacement(new="journal", removed="4.0", needs="3.9", fix=AUTO, arguments="only as client option: WriteConcern(j=) stays"),
    "wtimeout": Replacement(
        new="wTimeoutMS", removed="4.0", needs="3.9", fix=AUTO, arguments="only as client option: WriteConcern(wtimeout=) stays"
    ),
    "io_loop": Replacement(fix=AUTO, arguments="Motor only; drop for AsyncMongoClient"),
    # Options that no release ever knew.
    "min_pool_size": Replacement(new="minPoolSize", needs="3.3", fix=AUTO),
    "wait_queue_timeout_ms": Replacement(new="waitQueueTimeoutMS", needs="2.7", fix=AUTO),
    "max_idle_time_ms": Replacement(new="maxIdleTimeMS", needs="3.3", fix=AUTO),
    "max_connecting": Replacement(new="maxConnecting", needs="4.0", fix=AUTO),
    "pool_size": _POOL_SIZE,
    "poolsize": _POOL_SIZE,
    "max_size": _POOL_SIZE._replace(fix=MANUAL),
    "max_workers": Replacement(advice="maxPoolSize= for connections, ThreadPoolExecutor(max_workers=...) for threads", fix=MANUAL),
    "thread_safe": Replacement(fix=MANUAL, arguments="drop: the synchronous client is always safe to share between threads"),
    "connecttimeout": Replacement(new="connectTimeoutMS", needs="2.7", fix=MANUAL, arguments="milliseconds"),
    "timeout": Replacement(new="timeoutMS", needs="4.2", fix=MANUAL, arguments="milliseconds"),
    "useunifiedtopology": Replacement(fix=AUTO, arguments="drop: an option of the Node.js driver"),
    "usenewurlparser": Replacement(fix=AUTO, arguments="drop: an option of the Node.js driver"),
}
"""Client option in lower case -> replacement."""

IGNORED_OPTIONS: dict[str, str] = {"waitqueuemultiple": "4.0"}
"""Client option in lower case, accepted without effect -> first minor release that ignores it."""
