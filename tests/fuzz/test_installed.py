"""The standard library and everything that is installed beside the tests: no failure, and no file over ten times its parse."""

import importlib.util
import sysconfig
from types import ModuleType

import pytest

from harness import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ecosystem", ROOT / "tools" / "ecosystem.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", ["stdlib", "purelib"])
def test_installed_code(place: str) -> None:
    files = list(tool().survey([sysconfig.get_path(place)]))
    assert len(files) > 100
    assert [(item.path, item.failure) for item in files if item.failure] == []
    # A share of a file's time is the machine's: what is over the limit is measured again.
    slow = [item.path for item in files if item.ratio > 10]
    assert [item.path for item in tool().survey(slow) if item.ratio > 10] == [] if slow else True
