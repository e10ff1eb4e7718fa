import subprocess
import sys

import pytest

PURE = ("apps.domain", "apps.exchanges", "apps.strategies.contract", "apps.backtests.engine")
PROBE = """
import importlib, pkgutil, sys
sys.path.insert(0, {root!r})
package = importlib.import_module({package!r})
for module in pkgutil.walk_packages(package.__path__, {package!r} + "."):
    if ".tests" not in module.name:
        importlib.import_module(module.name)
print(sorted({{"django", "celery", "redis", "psycopg"}} & sys.modules.keys()))
"""


@pytest.mark.parametrize("package", PURE)
def test_the_pure_parts_load_without_a_framework(package: str, pytestconfig: pytest.Config) -> None:
    code = PROBE.format(root=str(pytestconfig.rootpath), package=package)

    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "[]"
