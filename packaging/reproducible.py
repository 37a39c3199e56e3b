#!/usr/bin/python3
# Two builds in two folders, with other times, zones and languages, the second without a compiler's cache: every file
# that is installed has the same bytes, or is named.
# SPDX-License-Identifier: Apache-2.0
#
#   reproducible.py [--libtorch FOLDER] [--nvcc PATH|none] [--jobs N] [--work FOLDER]
#
# About 20 minutes on 2 cores. Ends with 1 where a file differs.
import argparse
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parent.parent
# (folder below the work folder, what the environment has)
BUILDS = (
    ("one/ovii2v", {"TZ": "UTC", "LC_ALL": "C.UTF-8"}),
    ("another place/of/a different/length/ovii2v".replace(" ", "-"), {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "CCACHE_DISABLE": "1"}),
)


def run(*command, **more):
    done = subprocess.run([str(one) for one in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-4000:]}")
    return done.stdout


def build(tree, environment, asked):
    tree.mkdir(parents=True)
    listed = subprocess.run(["git", "-C", SOURCE, "ls-files", "-z"], check=True, stdout=subprocess.PIPE).stdout
    packed = subprocess.run(["tar", "-C", SOURCE, "-c", "--null", "--files-from=-"], input=listed, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-C", tree, "-x"], input=packed, check=True)
    environment = {**os.environ, **environment}
    began = time.monotonic()
    run("meson", "setup", tree / "build", tree, "-Dtests=disabled", "-Dbundle_libtorch=true", f"-Dlibtorch={asked.libtorch}", f"-Dnvcc={asked.nvcc}", env=environment)
    run("ninja", "-C", tree / "build", f"-j{asked.jobs}", env=environment)
    run("meson", "install", "-C", tree / "build", "--no-rebuild", "--destdir", tree / "root", env=environment)
    print(f"{tree}: built in {time.monotonic() - began:.0f} s", flush=True)
    root = tree / "root"
    return root, {
        path.relative_to(root): os.readlink(path) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*")) if path.is_symlink() or path.is_file()
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--libtorch", type=pathlib.Path, default=SOURCE / ".deps/torch")
    parser.add_argument("--nvcc", default="auto")
    parser.add_argument("--jobs", default=2)
    parser.add_argument("--work", type=pathlib.Path)
    asked = parser.parse_args()
    asked.libtorch = asked.libtorch.resolve()
    with tempfile.TemporaryDirectory(prefix="ovi-reproducible-", dir=asked.work) as work:
        (one, first), (other, second) = (build(pathlib.Path(work) / folder, environment, asked) for folder, environment in BUILDS)
        differing = sorted(path for path in first.keys() | second.keys() if first.get(path) != second.get(path))
        for path in differing:
            print(f"differs: {path}")
            if asked.work:
                for root, name in ((one, "one"), (other, "other")):
                    if (root / path).is_file():
                        kept = asked.work / f"{path.name}.{name}"
                        kept.write_bytes((root / path).read_bytes())
    print(f"{len(first)} files, {len(differing)} differ")
    return 1 if differing or not first else 0


if __name__ == "__main__":
    sys.exit(main())
