#!/usr/bin/python3
# What is shipped, as an SPDX 2.3 document: our packages and every file in them, what of others is inside with version
# and licence, and what of the system is linked.
# SPDX-License-Identifier: Apache-2.0
#
#   sbom.py --version 0.2.0 [--cuda-runtime 13.0] -o FILE NAME=FOLDER...
#
# NAME=FOLDER is a package and the root of its files: what `meson install --destdir` made, or debian/NAME. Versions of
# the system's libraries are dpkg's, of the machine that this runs on: it has to be the one that it was built on. The
# document's time is $SOURCE_DATE_EPOCH, its name a digest of its content, so that the same files give the same bytes.
# --cuda-runtime is the version of nvcc, where libovii2v-cuda.so has a runtime of it inside.
#
# --table writes the same in words: part, version, licence, files, bytes.
import argparse
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

OURS = "Apache-2.0"
EXTRACTED = {
    "LicenseRef-NVIDIA-Proprietary": "NVIDIA Software License Agreement and CUDA Supplement: the whole text is among the "
    "licences that are installed beside the libraries (nvidia-*/License.txt).",
    "LicenseRef-NASA": "A work of NASA: in the public domain in the United States.",
}
NASA = "share/ovii2v/examples/astronaut.png"


def output(*command):
    return subprocess.run([str(one) for one in command], check=True, capture_output=True, text=True).stdout


def spdx_id(*words):
    return "SPDXRef-" + "-".join(re.sub(r"[^A-Za-z0-9.-]+", "-", word).strip("-") for word in words)


class Document:
    def __init__(self, version):
        self.version, self.packages, self.files, self.relations = version, {}, [], []

    def package(self, key, name, version, licence, home=None, purl=None, comment=None, supplier="NOASSERTION"):
        entry = {
            "SPDXID": spdx_id("Package", key), "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "licenseConcluded": licence, "licenseDeclared": licence, "copyrightText": "NOASSERTION",
            "supplier": supplier,
        }  # fmt: skip
        if home:
            entry["homepage"] = home
        if comment:
            entry["comment"] = comment
        if purl:
            entry["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]
        return self.packages.setdefault(key, entry)

    def relate(self, one, kind, other):
        relation = {"spdxElementId": one["SPDXID"], "relationshipType": kind, "relatedSpdxElement": other["SPDXID"]}
        if relation not in self.relations:
            self.relations.append(relation)

    def file(self, owner, path, name, licence):
        content = path.read_bytes()
        entry = {
            "SPDXID": spdx_id("File", str(len(self.files))), "fileName": "./" + name,
            "checksums": [{"algorithm": kind, "checksumValue": hashlib.new(kind.lower(), content).hexdigest()} for kind in ("SHA1", "SHA256")],
            "licenseConcluded": licence, "licenseInfoInFiles": ["NOASSERTION"], "copyrightText": "NOASSERTION",
        }  # fmt: skip
        self.files.append(entry)
        owner.setdefault("bytes", 0)
        owner["bytes"] += len(content)
        owner.setdefault("codes", []).append(entry["checksums"][0]["checksumValue"])
        self.relate(owner, "CONTAINS", entry)

    def text(self):
        packages = []
        for one in self.packages.values():
            one = {key: value for key, value in one.items() if key not in ("bytes", "codes")}
            codes = self.packages_codes(one["SPDXID"])
            if codes:
                one["filesAnalyzed"] = True
                one["packageVerificationCode"] = {"packageVerificationCodeValue": hashlib.sha1("".join(sorted(codes)).encode()).hexdigest()}
                one["licenseInfoFromFiles"] = ["NOASSERTION"]
            packages.append(one)
        used = json.dumps(packages) + json.dumps(self.files)
        when = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc)
        document = {
            "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"ovii2v-{self.version}",
            "documentNamespace": f"urn:ovii2v:spdx:{self.version}:{hashlib.sha256(used.encode()).hexdigest()}",
            "creationInfo": {"created": when.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: ovii2v-packaging-sbom.py"]},
            "packages": packages, "files": self.files, "relationships": self.relations,
            "hasExtractedLicensingInfos": [{"licenseId": name, "name": name.split("-", 1)[1], "extractedText": text}
                                           for name, text in EXTRACTED.items() if name in used],
        }  # fmt: skip
        return json.dumps(document, indent=1) + "\n"

    def packages_codes(self, identifier):
        return next(one for one in self.packages.values() if one["SPDXID"] == identifier).get("codes")

    def table(self):
        lines = ["| part | version | licence | files | MB |", "|---|---|---|---|---|"]
        for one in self.packages.values():
            files = len(one.get("codes", []))
            size = f"{one['bytes'] / 1e6:.1f}" if files else ""
            lines.append(f"| {one['name']} | {one['versionInfo']} | {one['licenseDeclared']} | {files or ''} | {size} |")
        return "\n".join(lines) + "\n"


def needed(path):
    return re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-dW", path))


def system_packages(names):
    """Which of dpkg's packages a library's name is of: {name: (package, version)}."""
    places = {}
    for line in output("/sbin/ldconfig", "-p").splitlines():
        if (match := re.match(r"\s*(\S+) \(.*x86-64.*\) => (\S+)", line)) and match[1] in names:
            places.setdefault(match[1], match[2])
    found = {}
    for name, place in places.items():
        for path in (place, os.path.realpath(place), place.removeprefix("/usr"), "/usr" + place):
            told = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True)
            if told.returncode == 0:
                package = told.stdout.split(": ")[0].split(",")[0]
                found[name] = tuple(output("dpkg-query", "-W", "-f", "${Package} ${Version}", package).split())
                break
    return found


def described(version, roots, cuda_runtime):
    document = Document(version)
    whole = document.package("ovii2v", "ovii2v", version, OURS, comment="All that is shipped.")
    document.relations.append({"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": whole["SPDXID"]})
    wheels, shipped, wanted, owners = {}, set(), {}, {}
    for name, root in roots:
        for about in sorted(root.rglob("libtorch.json")):
            told = json.loads(about.read_text())
            for path, entry in told["files"].items():
                wheels[path] = next(one for one in told["wheels"] if f"{one['name']} {one['version']}" == entry["wheel"])
    for name, root in roots:
        ours = document.package(f"{name}-package", name, version, OURS)
        document.relate(whole, "CONTAINS", ours)
        files = sorted(one for one in root.rglob("*") if one.is_file() and not one.is_symlink() and "DEBIAN" not in one.parts)
        if not files:
            raise SystemExit(f"sbom: no files in {root}")
        for path in files:
            inside = path.relative_to(root).as_posix()
            shipped.add(path.name)
            below = inside.split("/ovii2v/", 1)[-1]
            wheel = wheels.get(below)
            owner, licence = ours, OURS
            if wheel:
                licence = wheel["licence"]
                owner = document.package(f"{wheel['name']}-in-{name}", wheel["name"], wheel["version"], licence, wheel["home"],
                                         f"pkg:pypi/{wheel['name']}@{wheel['version']}", "As published, in part.")  # fmt: skip
                document.relate(ours, "CONTAINS", owner)
            elif inside.endswith(NASA):
                licence = "LicenseRef-NASA"
            elif "/licences/" in inside:
                licence = "NOASSERTION"
            document.file(owner, path, inside, licence)
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    for library in needed(path):
                        wanted.setdefault(library, []).append(owner)
            owners[path.name] = ours
    if "libovii2v-engine.so.1" in owners:
        json_version = output("pkg-config", "--modversion", "nlohmann_json").strip()
        headers = document.package("nlohmann-json", "nlohmann-json", json_version, "MIT", "https://json.nlohmann.me",
                                   comment="Headers, compiled into the engine.")  # fmt: skip
        document.relate(headers, "STATIC_LINK", owners["libovii2v-engine.so.1"])
    if "libovii2v-cuda.so" in owners:
        if not cuda_runtime:
            raise SystemExit("sbom: libovii2v-cuda.so has a CUDA runtime inside: name its version with --cuda-runtime.")
        runtime = document.package("cudart-static", "cuda-cudart-static", cuda_runtime, "LicenseRef-NVIDIA-Proprietary",
                                   comment="Linked into libovii2v-cuda.so.")  # fmt: skip
        document.relate(runtime, "STATIC_LINK", owners["libovii2v-cuda.so"])
    outside = {name for name in wanted if name not in shipped and not name.startswith("ld-linux")}
    system = system_packages(outside)
    # The driver is the machine's.
    lost = sorted(outside - system.keys() - {"libcuda.so.1", "libnvidia-ml.so.1"})
    if lost:
        raise SystemExit(f"sbom: linked, but neither shipped nor of a package that is installed here: {', '.join(lost)}")
    for library, (name, its_version) in sorted(system.items()):
        theirs = document.package(f"system-{name}", name, its_version, "NOASSERTION", purl=f"pkg:deb/debian/{name}@{its_version}",
                                  comment="Of the system: linked, not shipped.")  # fmt: skip
        for owner in wanted[library]:
            document.relate(owner, "DYNAMIC_LINK", theirs)
    return document


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", required=True)
    parser.add_argument("--cuda-runtime")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("-o", "--output", type=pathlib.Path)
    parser.add_argument("roots", nargs="+", metavar="NAME=FOLDER")
    asked = parser.parse_args()
    roots = [(name, pathlib.Path(folder)) for name, folder in (one.split("=", 1) for one in asked.roots)]
    document = described(asked.version, roots, asked.cuda_runtime)
    text = document.table() if asked.table else document.text()
    if asked.output:
        asked.output.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
