#!/usr/bin/python3
# What the engine needs of LibTorch, out of the whole of it: the libraries, and the licences that they come under.
# SPDX-License-Identifier: Apache-2.0
#
#   libtorch.py list LIBTORCH [--cuda]                     says what it would take
#   libtorch.py copy LIBTORCH FOLDER --licences FOLDER [--cuda]
#
# LIBTORCH is the folder of the wheel `torch`, with those of NVIDIA's wheels and all *.dist-info beside it, as
# examples/setup.sh fetches them or `pip install --target` does. FOLDER gets torch/lib and nvidia/, laid out as in
# the wheels, so that every file stays as it was published and finds its neighbours; and libtorch.json, which says
# what each file is. Below the folders of MESON_INSTALL_DESTDIR_PREFIX when Meson runs it.
#
# --cuda: also what a GPU needs. An error where NVIDIA's libraries are not all there.
import argparse
import base64
import csv
import email
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

# Every system has these, and keeps them mended: the C and C++ run times, OpenMP's, and the driver's.
SYSTEM = re.compile(r"(ld-linux.*|lib(c|m|dl|rt|util|pthread|stdc\+\+|gcc_s|gomp|cuda|nvidia-ml))\.so(\.\d+)*$")
# What the engine links, and what it opens where there is a GPU.
ROOTS = ("libtorch_cpu.so", "libc10.so")
CUDA_ROOTS = ("libtorch_cuda.so", "libtorch_cuda_linalg.so", "libc10_cuda.so", "libcaffe2_nvrtc.so")
# Of NVIDIA's, opened by name by those that are needed: all that lies in a folder which is needed, but not twice.
OPENED_BY_NAME = re.compile(r"(?!.*\.alt\.)lib(cudnn|nvrtc|nvJitLink|cublas|cusolver|nvblas)\w*[\w.-]*\.so\.\d+[\d.]*$")
LICENCE = re.compile(r"\.dist-info/(licenses/)?[^/]*(licen[cs]e|notice|copying)[^/]*$", re.IGNORECASE)


class Wrong(Exception):
    pass


def needs(library):
    """Names that a library wants, and the folders that it looks in."""
    told = subprocess.run(["readelf", "-dW", library], check=True, capture_output=True, text=True).stdout
    folders = [folder for text in re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", told) for folder in text.split(":")]
    here = str(library.parent)
    return (
        re.findall(r"\(NEEDED\).*\[(.*)\]", told),
        [pathlib.Path(os.path.normpath(folder.replace("$ORIGIN", here))) for folder in folders] + [library.parent],
    )


def closure(libtorch, cuda):
    """All files that are needed, the system's left out."""
    lib = libtorch / "lib"
    wanted = [lib / name for name in ROOTS + (CUDA_ROOTS if cuda else ())]
    found, missing = set(), set()
    while wanted:
        library = wanted.pop()
        if library in found:
            continue
        if not library.is_file():
            missing.add(library.name)
            continue
        found.add(library)
        names, folders = needs(library)
        for name in names:
            if SYSTEM.match(name):
                continue
            places = [folder / name for folder in folders if (folder / name).is_file()]
            if places:
                wanted.append(places[0])
            else:
                missing.add(name)
        if cuda and library.parent != lib:
            wanted += [one for one in library.parent.iterdir() if OPENED_BY_NAME.match(one.name)]
    if missing:
        raise Wrong(
            f"LibTorch in {libtorch} lacks {', '.join(sorted(missing))}: "
            + ("fetch NVIDIA's wheels that torch's METADATA names beside it, or leave the GPU out." if cuda
               else "is it the folder of the wheel `torch`, with nvidia/ beside it?")
        )  # fmt: skip
    # By it an application's LibTorch is known to be of the same release, and shared.
    return sorted(found | {one for one in (libtorch / "version.py",) if one.is_file()})


def packages(site):
    """Every wheel of a folder: name, version, licence; its files with digests; its licences' files."""
    wheels = []
    for info in sorted(site.glob("*.dist-info")):
        about = email.message_from_string((info / "METADATA").read_text(errors="replace"))
        rows = list(csv.reader((info / "RECORD").read_text().splitlines()))
        wheels.append({
            "name": about["Name"], "version": about["Version"],
            "licence": about["License-Expression"] or about["License"] or "NOASSERTION",
            "home": about["Home-page"] or next((u.split(", ", 1)[1] for u in about.get_all("Project-URL") or [] if ", " in u), None),
            "files": {row[0]: row[1] for row in rows},
            "licences": [site / row[0] for row in rows if LICENCE.search(row[0])],
        })  # fmt: skip
    return wheels


def described(libtorch, cuda):
    """What is taken: [(file, path below the target, wheel)], and the wheels that it is of."""
    site = libtorch.parent
    wheels, taken, used = packages(site), [], []
    for file in closure(libtorch, cuda):
        name = file.relative_to(site).as_posix() if file.is_relative_to(site) else None
        # The folder `torch` may have another name.
        if file.is_relative_to(libtorch):
            name = "torch/" + file.relative_to(libtorch).as_posix()
        wheel = next((one for one in wheels if name in one["files"]), None)
        if wheel is None or not wheel["licences"]:
            raise Wrong(
                f"Nothing beside {libtorch} says what {file.name} is and under which licence it comes. Take a folder "
                "that examples/setup.sh or `pip install --target` has filled, with its *.dist-info "
                "(rm .deps/*.ready makes setup.sh fetch it anew)."
            )
        if wheel not in used:
            used.append(wheel)
        taken.append((file, name, wheel))
    return taken, used


def digest(path):
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total


def copy(libtorch, target, licences, cuda):
    taken, used = described(libtorch, cuda)
    files = {}
    for file, name, wheel in taken:
        made = target / name
        made.parent.mkdir(parents=True, exist_ok=True)
        made.unlink(missing_ok=True)
        shutil.copyfile(file, made)
        made.chmod(0o644)
        total = digest(made)
        # As published: nothing on the way here has changed it.
        published = "sha256=" + base64.urlsafe_b64encode(total.digest()).decode().rstrip("=")
        if wheel["files"][name] not in ("", published):
            raise Wrong(f"{file} is not the file of {wheel['name']} {wheel['version']}: it has another digest.")
        files[name] = {"wheel": f"{wheel['name']} {wheel['version']}", "sha256": total.hexdigest(), "bytes": made.stat().st_size}
    about = []
    for wheel in sorted(used, key=lambda one: one["name"]):
        folder = licences / f"{wheel['name']}-{wheel['version']}"
        folder.mkdir(parents=True, exist_ok=True)
        for text in wheel["licences"]:
            shutil.copyfile(text, folder / text.name)
            (folder / text.name).chmod(0o644)
        about.append({key: wheel[key] for key in ("name", "version", "licence", "home")})
    text = json.dumps({"wheels": about, "files": files}, indent=1, sort_keys=True)
    (target / "libtorch.json").write_text(text + "\n")
    return sum(one["bytes"] for one in files.values())


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("list", "copy"):
        command = commands.add_parser(name)
        command.add_argument("libtorch", type=pathlib.Path)
        if name == "copy":
            command.add_argument("folder", type=pathlib.Path)
            command.add_argument("--licences", type=pathlib.Path, required=True)
        command.add_argument("--cuda", action="store_true")
    asked = parser.parse_args()
    libtorch = asked.libtorch.resolve()
    try:
        if asked.command == "list":
            for file, name, wheel in described(libtorch, asked.cuda)[0]:
                print(f"{file.stat().st_size:>12} {wheel['name']} {wheel['version']} {name}")
            return 0
        root = pathlib.Path(os.environ.get("MESON_INSTALL_DESTDIR_PREFIX", ""))
        total = copy(libtorch, root / asked.folder, root / asked.licences, asked.cuda)
        print(f"LibTorch, {total / 1e6:.0f} MB, into {root / asked.folder}")
        return 0
    except Wrong as wrong:
        print(f"libtorch: {wrong}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
