"""What an expression can be: demand-driven, memoised, capped inference over the syntax tree.

``values`` answers for any expression. It follows imports into first-party modules, local bindings as far as they reach,
annotations, returns of functions, arguments of callers, attributes through the method resolution order, containers,
context managers, awaits and the stores of web frameworks. Every search has a cap, and a cap means unknown.
"""

from flake8_mongo_threads.semantics.inference.common import CHAIN, CURSORS, MAX_WORK
from flake8_mongo_threads.semantics.inference.core import Inference
from flake8_mongo_threads.semantics.inference.instances import own_object
from flake8_mongo_threads.semantics.inference.parameters import dependency

__all__ = ["CHAIN", "CURSORS", "MAX_WORK", "Inference", "dependency", "own_object"]
