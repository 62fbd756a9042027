"""What pyproject.toml cannot say: the options under `conf/` go into the wheel as `nas/conf`.

An editable install reads them beside the package. Were they a package in a folder of its own, setuptools would make an
editable install a finder, which Python asks after `sys.path`: run from the folder that holds a clone named `nas`, it
would take that folder for the package. A path to the clone comes first.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithOptions(build_py):
    """Copies the options as well."""

    def run(self) -> None:
        """Build."""
        super().run()
        for path in [] if self.editable_mode else Path("conf").rglob("*.yaml"):
            target = Path(self.build_lib, "nas", path)
            self.mkpath(str(target.parent))
            self.copy_file(str(path), str(target))


setup(cmdclass={"build_py": BuildWithOptions})
