import subprocess
import sys

from pathsearch.holders import SerialHolder
from tests.holders.contract import HolderContract


class TestSerialHolder(HolderContract):
    def make(self, objective):
        return SerialHolder(objective)


def test_it_imports_without_ray():
    code = "import sys; sys.modules['ray'] = None; import pathsearch.holders, pathsearch.cli"
    subprocess.run([sys.executable, "-c", code], check=True)
