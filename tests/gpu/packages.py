"""What a machine without package registries lacks, out of a folder of .deb files and wheels.

SPDX-License-Identifier: Apache-2.0
"""
import io
import json
import lzma
import os
import re
import shutil
import subprocess
import tarfile
import zipfile

# Debian's names; `apt-get download` them into a folder.
DEBIAN = ["pkgconf", "pkgconf-bin", "libpkgconf3", "nlohmann-json3-dev",
          "libglib2.0-dev", "libglib2.0-0", "libpcre2-dev", "libpcre2-8-0",
          "libgtest-dev"]


def members_of_ar(data):
    """Names and contents of an ar archive's members."""
    if not data.startswith(b"!<arch>\n"):
        raise ValueError("no ar archive")
    position = 8
    while position + 60 <= len(data):
        name = data[position:position + 16].decode().strip().rstrip("/")
        size = int(data[position + 48:position + 58])
        yield name, data[position + 60:position + 60 + size]
        position += 60 + size + size % 2


def unpack_deb(archive, root):
    if shutil.which("dpkg-deb"):
        subprocess.run(["dpkg-deb", "-x", str(archive), str(root)], check=True,
                       capture_output=True)
        return
    for name, data in members_of_ar(archive.read_bytes()):
        if not name.startswith("data.tar"):
            continue
        if name.endswith(".zst"):
            data = subprocess.run(["zstd", "-dc"], input=data, check=True,
                                  stdout=subprocess.PIPE).stdout
        elif name.endswith(".xz"):
            data = lzma.decompress(data)
        with tarfile.open(fileobj=io.BytesIO(data)) as files:
            # Links of development packages lead out of the root; nothing else may.
            safe = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
            files.extractall(root, **safe)
        return
    raise ValueError(f"{archive} holds no data.tar")


def unpack_wheel(archive, folder):
    """A wheel's modules into `folder`, its programs into folder/bin."""
    with zipfile.ZipFile(archive) as files:
        files.extractall(folder)
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for path in [*folder.glob("*.data/scripts/*"), *folder.glob("*/data/bin/*")]:
        target = programs / path.name
        shutil.copyfile(path, target)
        target.chmod(0o755)


def unpack(folder, root):
    """The packages of a folder under one root; a folder with usr/ is one already. What an
    earlier call unpacked from the same files is kept."""
    if (folder / "usr").is_dir():
        return folder
    archives = sorted([*folder.glob("*.deb"), *folder.glob("*.whl")])
    if not archives:
        raise RuntimeError(f"{folder} holds neither packages (*.deb, *.whl) nor usr/")
    content = json.dumps([[path.name, path.stat().st_size] for path in archives])
    stamp = root / "unpacked.json"
    if stamp.exists() and stamp.read_text() == content:
        return root
    shutil.rmtree(root, ignore_errors=True)
    (root / "wheels").mkdir(parents=True)
    for archive in archives:
        if archive.suffix == ".deb":
            unpack_deb(archive, root)
        else:
            unpack_wheel(archive, root / "wheels")
    stamp.write_text(content)
    return root


def library_folders(root):
    usr = root / "usr"
    return sorted({path.parent for path in usr.glob("**/*.so*")} |
                  {path.parent for path in usr.glob("**/*.a")})


def describe(root):
    """Copies of the packages' .pc files that say where the packages lie."""
    configs = root / "pkgconfig"
    configs.mkdir(exist_ok=True)
    for path in root.glob("usr/**/pkgconfig/*.pc"):
        (configs / path.name).write_text(
            re.sub(r"(?m)^(\w+=)/usr", rf"\g<1>{root}/usr", path.read_text()))
    return configs


def join(first, second):
    return f"{first}:{second}" if second else str(first)


def use(root, environment):
    """Makes unpacked packages look as if they were installed."""
    def prepend(name, value):
        environment[name] = join(value, environment.get(name))

    libraries = ":".join(str(path) for path in library_folders(root))
    if (root / "usr").is_dir():
        prepend("PKG_CONFIG_PATH", describe(root))
        prepend("CPLUS_INCLUDE_PATH", root / "usr/include")
    if libraries:
        prepend("LD_LIBRARY_PATH", libraries)
        prepend("LIBRARY_PATH", libraries)
    if not shutil.which("pkg-config") and (root / "usr/bin/pkgconf").exists():
        environment["PKG_CONFIG"] = str(root / "usr/bin/pkgconf")
    if (root / "wheels").is_dir():
        environment["PYTHONPATH"] = join(environment.get("PYTHONPATH", ""), root / "wheels") \
            .lstrip(":")
        environment["PATH"] = join(environment.get("PATH", os.defpath), root / "wheels/bin")
