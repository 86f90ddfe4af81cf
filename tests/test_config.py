"""Options."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from flake8_mongo_threads.config import Config, ConfigError, Factory, Spawner, opted_in, parse
from flake8_mongo_threads.options import OPTIONS, config_of


@pytest.mark.parametrize(
    ("selections", "found"),
    [
        ((None, None, ["MDB"]), set()),
        ((["MDB"], ["M"], ["MDB"]), set()),
        ((["E", "MDB7"], None, ["MDB"]), {"MDB7"}),
        ((None, ["MDB705", "F401"], []), {"MDB705"}),
        ((["mdb7"],), set()),
    ],
)
def test_opted_in(selections: tuple[object, ...], found: set[str]) -> None:
    assert opted_in(*selections) == found


def test_wants() -> None:
    assert Config().wants("MDB101", default=True)
    assert not Config().wants("MDB705", default=False)
    assert Config(opted_in=frozenset({"MDB7"})).wants("MDB705", default=False)
    assert not Config(opted_in=frozenset({"MDB6"})).wants("MDB705", default=False)


@pytest.mark.parametrize(
    ("text", "specifier"),
    [("", ""), ("4", "==4.*"), ("4.6", "==4.6.*"), ("4.6.1", "==4.6.1"), (" >=4.6,<5 ", ">=4.6,<5"), ("~=4.0", "~=4.0")],
)
def test_releases(text: str, specifier: str) -> None:
    assert parse(pymongo=text).pymongo == specifier
    assert parse(motor=text).motor == specifier


def test_factories_and_spawners() -> None:
    config = parse(factories=("a.b:get = async-collection", ""), spawners=("a.run:0 = thread", "a.go:job=process"))
    assert config.factories == (Factory("a.b", "get", "collection", "async"),)
    assert config.spawners == (Spawner("a.run", 0, "thread"), Spawner("a.go", "job", "process"))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"pymongo": "latest"}, "neither a release nor a specifier"),
        ({"motor": "=>3"}, "neither a release nor a specifier"),
        ({"factories": ("a.get = sync-client",)}, "is not of the form"),
        ({"factories": ("a:get = sync",)}, "is not of the form"),
        ({"factories": ("a:get = syn-client",)}, "did you mean 'sync'"),
        ({"factories": ("a:get = sync-colection",)}, "did you mean 'collection'"),
        ({"spawners": ("run = thread",)}, "is not of the form"),
        ({"spawners": ("a.run:0 = proces",)}, "did you mean 'process'"),
    ],
)
def test_what_means_nothing_is_refused_in_one_line(options: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(**options)  # type: ignore[arg-type]
    assert reason in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def namespace(**given: object) -> SimpleNamespace:
    values: dict[str, object] = {f"mongo_threads_{option.name}": [] if option.comma_separated_list else "" for option in OPTIONS}
    return SimpleNamespace(**{"select": None, "extend_select": None, "extended_default_select": ["MDB"], **values, **given})


def test_config_of_an_empty_configuration_is_the_default() -> None:
    assert config_of(namespace()) == Config()


def test_lines_may_be_separated_by_commas_on_a_command_line() -> None:
    config = config_of(namespace(mongo_threads_factories="\na:b = sync-client\n c:d = motor-database, e:f=async-session\n"))
    assert [factory.module for factory in config.factories] == ["a", "c", "e"]


def test_source_folder_without_separator_is_found_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "tests").mkdir()
    monkeypatch.chdir(tmp_path / "tests")
    assert config_of(namespace(mongo_threads_src=["lib", "/abs/lib"])).src == (str(tmp_path / "lib"), "/abs/lib")
    assert config_of(namespace(mongo_threads_src=["nowhere"])).src == (str(tmp_path / "tests" / "nowhere"),)


def test_every_option_is_read_by_something() -> None:
    package = Path(__file__).parent.parent / "flake8_mongo_threads"
    readers = [path.read_text(encoding="utf-8") for path in package.rglob("*.py") if path.name not in ("config.py", "options.py")]
    unread = [field for field in Config._fields if field != "opted_in" and not any(f"config.{field}" in text for text in readers)]
    assert unread == []
