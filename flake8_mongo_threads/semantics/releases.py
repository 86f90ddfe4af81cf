"""Where behaviour changed between releases of the drivers: asked by rules that are true only of some."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flake8_mongo_threads.driver.api import Target
    from flake8_mongo_threads.semantics.module import Module


def target_of(module: "Module") -> "Target":
    """The releases that the linted file must work with; found once a file."""
    from flake8_mongo_threads.driver.targets import target_for

    found: Target = module.remember("target", module.index.module_scope, lambda: target_for(module.source.location, module.project.config))
    return found


def reaches(module: "Module", minor: str) -> bool:
    """Whether some targeted release of PyMongo is ``minor`` (such as ``4.12``) or newer."""
    from flake8_mongo_threads.driver import api

    return bool(target_of(module).pymongo & api.since("pymongo", minor))


def closes_for_good(module: "Module") -> bool:
    """Since 4.0 a closed client stays closed; before, it opened again by itself (PYTHON-2463)."""
    return reaches(module, "4.0")
