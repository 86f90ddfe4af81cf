"""Which releases a file must work with, over projects of every dialect."""

import importlib.metadata
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flake8_mongo_threads.config import Config
from flake8_mongo_threads.driver import api, requirements, targets
from flake8_mongo_threads.driver.api import Target

NEWEST = api.minors("pymongo")[-1]
NEWEST_MOTOR = api.minors("motor")[-1]


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., Path]:
    def make(**contents: str) -> Path:
        (tmp_path / ".git").mkdir(exist_ok=True)
        for name, text in contents.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


def target(root: Path, inside: str = "app/views.py", config: Config = Config()) -> Target:  # noqa: B008
    return targets.target_for(str(root / inside), config)


def pymongo(found: Target) -> str:
    return api.ranges("pymongo", found.pymongo)


def motor(found: Target) -> str:
    return api.ranges("motor", found.motor)


def test_nothing_says_anything(repository: Callable[..., Path]) -> None:
    found = target(repository())
    assert (pymongo(found), motor(found)) == (NEWEST, NEWEST_MOTOR)
    assert found.known == frozenset()
    assert found.pymongo_why == f"newest release {NEWEST}"


UV = """version = 1
requires-python = ">=3.9"

[[package]]
name = "dnspython"
version = "2.7.0"

[[package]]
name = "pymongo"
version = "4.6.3"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "dnspython" }]
"""
POETRY_LOCK = '[[package]]\nname = "motor"\nversion = "3.3.2"\noptional = false\n\n[[package]]\nname = "pymongo"\nversion = "4.5.0"\n'
PIPFILE_LOCK = (
    '{"_meta": {}, "default": {"pymongo": {"extras": ["srv"], "version": "==3.12.3"}}, "develop": {"motor": {"version": "==2.5.1"}}}'
)

PINS = [
    ("uv.lock", UV, "4.6", NEWEST_MOTOR, "pymongo 4.6.3 (uv.lock:9)"),
    ("poetry.lock", POETRY_LOCK, "4.5", "3.3", "pymongo 4.5.0 (poetry.lock:7)"),
    ("pdm.lock", POETRY_LOCK, "4.5", "3.3", "pymongo 4.5.0 (pdm.lock:7)"),
    ("pylock.toml", POETRY_LOCK.replace("[[package]]", "[[packages]]"), "4.5", "3.3", "pymongo 4.5.0 (pylock.toml:7)"),
    ("pylock.dev.toml", POETRY_LOCK.replace("[[package]]", "[[packages]]"), "4.5", "3.3", "pymongo 4.5.0 (pylock.dev.toml:7)"),
    ("Pipfile.lock", PIPFILE_LOCK, "3.12", "2.5", "pymongo 3.12.3 (Pipfile.lock:1)"),
    (
        "requirements.txt",
        "# web\nflask\nPyMongo[srv]==4.8.0 ; python_version >= '3.8'  # pin\n",
        "4.8",
        NEWEST_MOTOR,
        "pymongo 4.8.0 (requirements.txt:3)",
    ),
    ("requirements/prod.txt", "pymongo==4.8.0 \\\n    --hash=sha256:abc\n", "4.8", NEWEST_MOTOR, "pymongo 4.8.0 (requirements/prod.txt:1)"),
    ("dev-requirements.txt", "pymongo == 4.8\n", "4.8", NEWEST_MOTOR, "pymongo 4.8 (dev-requirements.txt:1)"),
    ("constraints.txt", "pymongo===4.8.0\n", "4.8", NEWEST_MOTOR, "pymongo 4.8.0 (constraints.txt:1)"),
]


@pytest.mark.parametrize(("name", "text", "releases", "of_motor", "why"), PINS, ids=[row[0] for row in PINS])
def test_exact_releases(repository: Callable[..., Path], name: str, text: str, releases: str, of_motor: str, why: str) -> None:
    found = target(repository(**{name: text}))
    assert (pymongo(found), motor(found)) == (releases, of_motor)
    assert found.pymongo_why == why.replace("/", os.sep)
    assert "pymongo" in found.known


def pep621(*requirements: str, more: str = "") -> str:
    return f"[project]\nname = 'x'\ndependencies = {list(requirements)}\n{more}"


DECLARED = [
    ("pyproject.toml", pep621("pymongo>=4.6,<4.9", "flask"), "4.6–4.8"),
    ("pyproject.toml", pep621("PyMongo[srv] ~= 4.6"), f"4.6–{NEWEST}"),
    ("pyproject.toml", pep621("pymongo~=4.6.1"), "4.6"),
    ("pyproject.toml", pep621("pymongo==4.6.*"), "4.6"),
    ("pyproject.toml", pep621("pymongo>4.6.3,<4.9"), "4.7–4.8"),
    ("pyproject.toml", pep621("pymongo>=4.6,!=4.7.*,<4.9"), "4.6, 4.8"),
    # Without a lower bound only the newest allowed release counts.
    ("pyproject.toml", pep621("pymongo"), NEWEST),
    ("pyproject.toml", pep621("pymongo<4"), "3.13"),
    ("pyproject.toml", pep621("pymongo!=4.7.0,<4.9"), "4.8"),
    ("pyproject.toml", pep621("pymongo @ git+https://github.com/mongodb/mongo-python-driver"), NEWEST),
    ("pyproject.toml", pep621("pymongo>=4", more="[project.optional-dependencies]\nfast = ['pymongo>=4.17']\n"), f"4.17–{NEWEST}"),
    ("pyproject.toml", pep621(more="[dependency-groups]\ntest = ['pymongo>=4.18', {include-group = 'x'}]\nx = []\n"), f"4.18–{NEWEST}"),
    # Contradictions belong to different environments: the first counts.
    ("pyproject.toml", pep621("pymongo>=4.6,<4.9", more="[dependency-groups]\nold = ['pymongo<4']\n"), "4.6–4.8"),
    (
        "pyproject.toml",
        pep621("pymongo>=3.12,<4; python_version < '3.8'", "pymongo>=4.6,<4.8; python_version >= '3.8'"),
        "3.12–3.13, 4.6–4.7",
    ),
    ("pyproject.toml", pep621("pymongo>=4.10", more="requires-python = '>=3.8,<3.9'\n"), "4.10"),
    ("pyproject.toml", pep621("pymongo>=4.17", more="requires-python = '>=3.9,<3.11'\n"), "4.17–4.18"),
    ("pyproject.toml", pep621("pymongo", more="requires-python = '==3.8.*'\n"), "4.10"),
    ("pyproject.toml", pep621("pymongo>=4.17", more="requires-python = '>=3.8'\n"), f"4.17–{NEWEST}"),
    ("pyproject.toml", "[tool.poetry.dependencies]\npython = '^3.9'\npymongo = '^4.17'\n", f"4.17–{NEWEST}"),
    ("pyproject.toml", "[tool.poetry.dependencies]\npymongo = '~4.6'\n", "4.6"),
    ("pyproject.toml", "[tool.poetry.dependencies]\npymongo = '4.6.*'\n", "4.6"),
    ("pyproject.toml", "[tool.poetry.dependencies]\npymongo = '*'\n", NEWEST),
    ("pyproject.toml", "[tool.poetry.dependencies]\npymongo = {version = '>=4.6 <4.9', extras = ['srv'], optional = true}\n", "4.6–4.8"),
    ("pyproject.toml", "[tool.poetry.dependencies]\npymongo = '^3.12 || ~4.6'\n", "3.12–3.13, 4.6"),
    (
        "pyproject.toml",
        "[tool.poetry.dependencies]\npymongo = [{version = '^3.12', python = '<3.8'}, {version = '~4.6', python = '>=3.8'}]\n",
        "3.12–3.13, 4.6",
    ),
    ("pyproject.toml", "[tool.poetry.group.dev.dependencies]\nPyMongo = '~4.7'\n", "4.7"),
    ("pyproject.toml", "[tool.pdm.dev-dependencies]\ntest = ['pymongo~=4.7.0']\n", "4.7"),
    ("pyproject.toml", "[tool.uv]\ndev-dependencies = ['pymongo~=4.7.0']\n", "4.7"),
    ("pyproject.toml", "[tool.hatch.envs.default]\ndependencies = ['pymongo~=4.7.0']\n", "4.7"),
    ("setup.cfg", "[options]\ninstall_requires =\n    flask\n    pymongo>=4.6,<4.9\npython_requires = >=3.7\n", "4.6–4.8"),
    ("setup.cfg", "[options.extras_require]\nmongo = pymongo>=4.6,<4.9; flask\n", "4.6–4.8"),
    ("setup.py", "from setuptools import setup\nsetup(name='x', install_requires=['pymongo>=4.6,<4.9', 'flask'])\n", "4.6–4.8"),
    (
        "setup.py",
        "import setuptools\nR = ['pymongo>=4.6,<4.9']\nsetuptools.setup(extras_require={'m': R}, install_requires=R)\n",
        "4.6–4.8",
    ),
    ("setup.py", "from setuptools import setup\nsetup(install_requires=['pymongo'], python_requires='<3.9')\n", "4.10"),
    ("setup.py", "def do_setup(**options): ...\n\ndo_setup(install_requires=['pymongo>=4.6,<4.9'])\n", "4.6–4.8"),
    ("setup.py", "import setuptools\nR = dict(install_requires=['pymongo>=4.6,<4.9'])\nsetuptools.setup(**R)\n", "4.6–4.8"),
    ("Pipfile", '[packages]\npymongo = ">=4.6,<4.9"\n', "4.6–4.8"),
    ("Pipfile", '[dev-packages]\npymongo = {version = "~=4.6.0", extras = ["srv"]}\n', "4.6"),
    ("environment.yml", "name: x\ndependencies:\n  - python=3.11\n  - conda-forge::pymongo=4.6\n", "4.6"),
    ("environment.yml", "dependencies:\n  - pymongo=4.6.3=py311h0\n", "4.6"),
    ("environment.yaml", "dependencies:\n  - pip:\n    - 'pymongo[srv]>=4.6,<4.9'\n", "4.6–4.8"),
    ("requirements.txt", "pymongo>=4.6,<4.9\n", "4.6–4.8"),
    ("requirements.in", "pymongo>=4.6,<4.9\n", "4.6–4.8"),
]


@pytest.mark.parametrize(("name", "text", "releases"), DECLARED)
def test_declared_ranges(repository: Callable[..., Path], name: str, text: str, releases: str) -> None:
    found = target(repository(**{name: text}))
    assert pymongo(found) == releases
    assert "pymongo" in found.known
    assert f"({name}:" in found.pymongo_why


def test_the_reason_names_the_line(repository: Callable[..., Path]) -> None:
    found = target(repository(**{"pyproject.toml": '[project]\nname = "x"\n\ndependencies = [\n  "flask",\n  "pymongo>=4.6,<5",\n]\n'}))
    assert found.pymongo_why == "pymongo>=4.6,<5 (pyproject.toml:6)"


def test_a_description_that_names_the_driver_is_no_requirement(repository: Callable[..., Path]) -> None:
    root = repository(**{"pyproject.toml": "[project]\ndescription = 'for pymongo'\ndependencies = [\n    'pymongo'\n]\n"})
    assert target(root).pymongo_why == "pymongo (pyproject.toml:4)"


def test_included_files(repository: Callable[..., Path]) -> None:
    root = repository(
        **{
            "requirements.txt": "-r base/common.txt\n--constraint=pins.txt\n-e .\n-r https://example.org/x.txt\n",
            "base/common.txt": "-r ../requirements.txt\npymongo\n",
            "pins.txt": "pymongo==4.7.3\n",
        }
    )
    assert target(root).pymongo_why == "pymongo 4.7.3 (pins.txt:1)"


def test_several_pins_are_several_environments(repository: Callable[..., Path]) -> None:
    root = repository(**{"requirements-py37.txt": "pymongo==3.12.3\n", "requirements-py312.txt": "pymongo==4.6.3\n"})
    assert pymongo(target(root)) == "3.12, 4.6"
    root = repository(**{"uv.lock": UV + '\n[[package]]\nname = "pymongo"\nversion = "4.8.0"\n'})
    assert pymongo(target(root)) == "4.6, 4.8"


def test_a_lock_file_wins_over_a_declaration(repository: Callable[..., Path]) -> None:
    root = repository(**{"uv.lock": UV, "app/pyproject.toml": pep621("pymongo>=3.6")})
    assert pymongo(target(root)) == "4.6"


def test_packages_of_one_repository_have_their_own_targets(repository: Callable[..., Path]) -> None:
    root = repository(
        **{
            "old/pyproject.toml": pep621("pymongo>=3.12,<4"),
            "new/uv.lock": UV,
            "new/deep/inside/x.py": "",
            "pyproject.toml": pep621("pymongo>=4.17"),
        }
    )
    assert pymongo(target(root, "old/x.py")) == "3.12–3.13"
    assert pymongo(target(root, "new/deep/inside/x.py")) == "4.6"
    assert pymongo(target(root, "other/x.py")) == f"4.17–{NEWEST}"
    assert target(root, "new/deep/inside/x.py").pymongo_why == f"pymongo 4.6.3 (new{os.sep}uv.lock:9)"


def test_the_walk_ends_at_the_repository_root(repository: Callable[..., Path]) -> None:
    root = repository(**{"requirements.txt": "pymongo==3.12.3\n", "inner/.hg/store": "", "inner/app/x.py": ""})
    assert pymongo(target(root, "inner/app/x.py")) == NEWEST


def test_the_walk_is_bounded(repository: Callable[..., Path]) -> None:
    root = repository(**{"requirements.txt": "pymongo==3.12.3\n"})
    assert pymongo(target(root, "/".join("abcdefghijk") + "/x.py")) == "3.12"
    assert pymongo(target(root, "/".join("abcdefghijkl") + "/x.py")) == NEWEST


def test_options_come_first(repository: Callable[..., Path]) -> None:
    root = repository(**{"uv.lock": UV})
    found = target(root, config=Config(pymongo=">=4.0,<4.3", motor="==3.1.*"))
    assert (pymongo(found), motor(found)) == ("4.0–4.2", "3.1")
    assert found.pymongo_why == "pymongo>=4.0,<4.3 (option mongo-threads-pymongo)"
    found = target(root, config=Config(motor="==3.3.2"))
    assert (pymongo(found), motor(found)) == ("4.6", "3.3")


def test_motor_alone_implies_its_pymongo(repository: Callable[..., Path]) -> None:
    found = target(repository(**{"requirements.txt": "motor==3.5.3\n"}))
    assert (pymongo(found), motor(found)) == ("4.5–4.8", "3.5")
    assert found.pymongo_why == "what motor 3.5.3 (requirements.txt:1) requires"
    found = target(repository(**{"requirements.txt": "motor>=2.0,<2.2\n"}))
    assert (pymongo(found), motor(found)) == ("3.6–3.13", "2.0–2.1")


def test_releases_outside_the_model(repository: Callable[..., Path]) -> None:
    found = target(repository(**{"requirements.txt": "pymongo==9.1.0\n"}))
    assert (pymongo(found), set(found.beyond)) == (NEWEST, {"pymongo"})
    found = target(repository(**{"requirements.txt": "pymongo>=5\n"}))
    assert (pymongo(found), set(found.beyond)) == (NEWEST, {"pymongo"})
    found = target(repository(**{"requirements.txt": "pymongo==2.4.1\n"}))
    assert (pymongo(found), found.beyond) == ("2.7", frozenset())
    found = target(repository(**{"requirements.txt": "pymongo==4.6.3\n"}))
    assert (pymongo(found), found.beyond) == ("4.6", frozenset())


def test_installed_beside_the_linter(repository: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"pymongo": "4.8.0", "motor": "3.5.1"}[name])
    found = target(repository())
    assert (pymongo(found), motor(found)) == ("4.8", "3.5")
    assert found.pymongo_why == "pymongo 4.8.0 (installed)"


@pytest.mark.parametrize("place", [".venv/lib/python3.12/site-packages", "venv/Lib/site-packages"])
def test_installed_in_the_environment_of_the_project(repository: Callable[..., Path], place: str) -> None:
    root = repository(**{f"{place}/pymongo-4.8.0.dist-info/METADATA": "", f"{place}/pymongo_inmemory-0.5.0.dist-info/METADATA": ""})
    found = target(root)
    assert pymongo(found) == "4.8"
    assert found.pymongo_why == f"pymongo 4.8.0 (installed in {place.partition('/')[0]})"


def test_a_declaration_wins_over_what_is_installed(repository: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "4.8.0")
    assert pymongo(target(repository(**{"pyproject.toml": pep621("pymongo>=4.17")}))) == f"4.17–{NEWEST}"


BROKEN = [
    ("pyproject.toml", "[project\ndependencies = ['pymongo"),
    ("pyproject.toml", "project = 'pymongo'\ntool = ['pymongo']\n"),
    ("pyproject.toml", "[project]\ndependencies = {pymongo = '4'}\n[tool.poetry]\ndependencies = ['pymongo']\n"),
    ("setup.py", "setup(install_requires=['pymongo'\n"),
    ("setup.py", "setup(install_requires=read('pymongo'), **options)\n"),
    ("setup.cfg", "pymongo\n[options"),
    ("Pipfile.lock", '{"default": ["pymongo"]'),
    ("Pipfile.lock", '{"default": ["pymongo"], "develop": {"pymongo": 4}}'),
    ("uv.lock", '[[package]]\nname = "pymongo"\n'),
    ("requirements.txt", "-r missing.txt\n-r .\n==\n\x00\n"),
    ("requirements/x.txt/y", ""),
    ("environment.yml", "- :\n"),
]


@pytest.mark.parametrize(("name", "text"), BROKEN)
def test_broken_files_say_nothing(repository: Callable[..., Path], name: str, text: str) -> None:
    found = target(repository(**{name: text}))
    assert (pymongo(found), found.known) == (NEWEST, frozenset())


def test_a_broken_file_does_not_hide_the_others(repository: Callable[..., Path]) -> None:
    root = repository(**{"pyproject.toml": "[project", "requirements.txt": "pymongo==4.6.3\npymongo=>4\n"})
    assert pymongo(target(root)) == "4.6"


def test_bytes_that_are_no_text(repository: Callable[..., Path]) -> None:
    root = repository()
    (root / "requirements.txt").write_bytes(b"\xff\xfe\n# caf\xe9\npymongo==4.6.3\n")
    (root / "setup.py").write_bytes(b"\xff\xfe\x00")
    assert pymongo(target(root)) == "4.6"


def test_answers_are_kept_and_never_stale(repository: Callable[..., Path]) -> None:
    root = repository(**{"app/requirements.txt": "-r more.txt\n", "app/more.txt": "pymongo==4.6.3\n"})
    first = target(root)
    assert target(root, "app/other.py") is first
    (root / "app/more.txt").write_text("pymongo==4.10.1\n")
    assert pymongo(target(root)) == "4.10"
    (root / "app/uv.lock").write_text(UV)  # a new file that takes precedence
    assert pymongo(target(root)) == "4.6"
    (root / "app/uv.lock").unlink()
    (root / "app/requirements.txt").unlink()
    (root / "app/more.txt").unlink()
    assert pymongo(target(root)) == NEWEST
    (root / ".venv/lib/python3.12/site-packages/pymongo-4.8.0.dist-info").mkdir(parents=True)
    assert pymongo(target(root)) == "4.8"


def test_a_file_that_is_not_on_disk(repository: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(**{"requirements.txt": "pymongo==4.6.3\n"})
    monkeypatch.chdir(root)
    for path in ("-", "stdin", "new/file.py", str(root / "nowhere/at/all.py")):
        assert pymongo(targets.target_for(path, Config())) == "4.6"


@pytest.mark.parametrize(
    ("text", "specifiers"),
    [
        ("^4.6", [">=4.6,<5"]),
        ("^0.7.1", [">=0.7.1,<0.8"]),
        ("^0.0.3", [">=0.0.3,<0.0.4"]),
        ("^4", [">=4,<5"]),
        ("~4.6.1", [">=4.6.1,<4.7"]),
        ("~4", [">=4,<5"]),
        ("4.6.3", ["==4.6.3"]),
        ("=4.6.3", ["==4.6.3"]),
        ("~=4.6", ["~=4.6"]),
        (">= 4.6, < 5", [">=4.6,<5"]),
        (">=4.6 <5", [">=4.6,<5"]),
        ("*", [""]),
        ("^3.12 || ^4.6", [">=3.12,<4", ">=4.6,<5"]),
        ("", [""]),
    ],
)
def test_constraints_of_poetry(text: str, specifiers: list[str]) -> None:
    assert requirements.poetry_constraint(text) == specifiers


@pytest.mark.parametrize(
    ("text", "mention"),
    [
        ("pymongo", ("pymongo", "", False)),
        ("PyMongo[srv, tls] >=4.6, <5", ("pymongo", ">=4.6,<5", False)),
        ("motor (>=3.1)", ("motor", ">=3.1", False)),
        ("pymongo==4.6.3 ; python_version > '3'", ("pymongo", "==4.6.3", True)),
        ("pymongo-auth-aws<2", None),
        ("pymongo_inmemory", None),
        ("motor-types", None),
        ("", None),
        (4, None),
    ],
)
def test_requirement(text: object, mention: tuple[str, str, bool] | None) -> None:
    found = requirements.requirement(text)
    assert (found and (found.name, found.specifier, found.conditional)) == mention
