"""Builds the extension over libsower. The Makefile at the top of the tree knows the sources and the flags, on which bits depend."""
import os
import pathlib
import re
import shutil
import subprocess

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
# A source distribution has what it needs of the tree in a folder of its own.
TOP = HERE / "tree" if (HERE / "tree").exists() else HERE.parents[1]
PARTS = ("Makefile", "LICENSE", "core", "proto", "client/library")


class BuildExtension(build_ext):
    """Links with the archive that make builds, or with the libsower.so of the directory that SOWER_LIBRARY names."""

    def build_extension(self, extension):
        if "SOWER_LIBRARY" in os.environ:
            extension.library_dirs, extension.libraries, extension.extra_link_args = [os.environ["SOWER_LIBRARY"]], ["sower"], []
            super().build_extension(extension)
            return
        folder = pathlib.Path(self.build_temp).resolve() / "library"
        archive = folder / "libsower.a"
        # Without what an outer make passes on: the package is never built with its sanitizers.
        environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        subprocess.run(["make", "-s", "-j2", "-C", TOP, f"BUILD={folder}", archive], check=True, env=environment)
        extension.extra_objects = [str(archive)]
        extension.depends = [str(archive)]
        super().build_extension(extension)


class SourceDistribution(sdist):
    """Adds the C sources."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        for part in PARTS:
            source, target = TOP / part, pathlib.Path(base_dir) / "tree" / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("vectors"))
            else:
                shutil.copy2(source, target)


setup(
    version=re.search(r'SOWER_VERSION "([^"]+)"', (TOP / "proto/version.h").read_text())[1],
    cmdclass={"build_ext": BuildExtension, "sdist": SourceDistribution},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},  # one wheel for CPython 3.11 and all later versions
    ext_modules=[
        Extension(
            "sower._native",
            ["src/sower/_native.c"],
            py_limited_api=True,
            extra_compile_args=["-std=c17", "-iquote", str(TOP), "-fvisibility=hidden"],
            # Only the module's own symbol is visible: two packages in a process may have libsower.
            extra_link_args=["-Wl,--exclude-libs,ALL", "-Wl,-z,relro,-z,now", "-Wl,--strip-debug"],
            libraries=["sodium", "m", "pthread"],
        )
    ],
)
