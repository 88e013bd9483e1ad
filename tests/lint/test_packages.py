"""Debian's packages are built with the libraries that the Makefile names."""
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[2]


def test_build_depends_has_every_library():
    packages = re.search(r"^PACKAGES_BUILD = (.*)$", (TOP / "Makefile").read_text(), re.M)[1].split()
    libraries = {package for package in packages if package.startswith("lib") and package != "libc6-dev"}
    control = (TOP / "systemd/debian/control").read_text()
    depends = set(re.findall(r"^ ([a-z0-9.+-]+)", control.split("Build-Depends:")[1].split("\n\n")[0], re.M))
    assert libraries and libraries <= depends


def test_the_symbols_of_the_package_are_those_of_the_library():
    exported = set(re.findall(r"^ +(sower_\w+);", (TOP / "client/library/libsower.map").read_text(), re.M))
    listed = re.findall(r"^ (sower_\w+)@", (TOP / "systemd/debian/libsower1.symbols").read_text(), re.M)
    assert exported and exported == set(listed)
