"""What is kept of one release: plain values between the scanner and the writers."""

from typing import NamedTuple


class Target(NamedTuple):
    """What a name of a module is: ``c`` class, ``f`` function, ``m`` module, ``v`` value, ``x`` taken from elsewhere."""

    kind: str
    module: str
    name: str


class MemberRecord(NamedTuple):
    """One member of a class.

    kind: ``m`` method, ``a`` coroutine method, ``p`` property, ``v`` class attribute, ``i`` attribute set on the instance, ``k`` nested
    class; of Motor's classes ``A`` awaited delegate, ``D`` plain delegate, ``C`` chaining delegate, ``P`` delegated property.
    """

    kind: str
    signature: str | None = None
    """``filter,update,upsert=,*,session=,**kwargs``: without the receiver, defaults only marked."""
    returns: str | None = None
    """Path of the outermost class of the return annotation, ``Self`` for the receiver."""
    flags: str = ""
    """``s`` static, ``c`` class method, ``!`` deprecated, ``a`` a property whose value is awaited."""
    forward: str = ""
    """Where ``*args, **kwargs`` are handed on to (``C:class:n``, ``self:name:n``, ``super:name:n``; n arguments stand before them)."""

    @property
    def is_property(self) -> bool:
        """Whether it is read, not called."""
        return self.kind in "pvikP"

    @property
    def awaitable(self) -> bool:
        """Whether calling it (of a property: reading it) gives an awaitable."""
        return self.kind in "aA" or "a" in self.flags


class ClassRecord(NamedTuple):
    """One class."""

    bases: tuple[str, ...]
    members: dict[str, MemberRecord]
    dynamic: tuple[str, ...]
    """``getattr``, ``setattr``, ``getitem``, … when the class defines them."""
    delegate: str | None
    """The class of PyMongo behind a class of Motor."""


class FunctionRecord(NamedTuple):
    """One module-level function."""

    signature: str
    coroutine: bool
    deprecated: bool


class Release(NamedTuple):
    """One release of one distribution, as its sources say."""

    dist: str
    version: str
    modules: dict[str, dict[str, Target]]
    packages: frozenset[str]
    exports: dict[str, list[str]]
    """Module -> its literal ``__all__``."""
    classes: dict[str, ClassRecord]
    functions: dict[str, FunctionRecord]
    autoloaded: dict[str, frozenset[str]]
    """Top package -> modules that importing it loads."""
    options: dict[str, str]
    """Client options that ``MongoClient`` accepts as keyword (validators and their aliases) -> name of the validator."""
    requires_python: str
    requires_pymongo: str
    """Specifiers from the metadata, empty where it has none."""
