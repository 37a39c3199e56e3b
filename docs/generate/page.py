# Writes a generated page, or says whether the one that is there is up to date.
# SPDX-License-Identifier: Apache-2.0
import difflib
import pathlib
import sys

DOCS = pathlib.Path(__file__).resolve().parents[1]
SOURCE = DOCS.parent


def put(pages):
    """`pages` is {file below docs/: text}. With --check nothing is written, and the program fails
    where a file has another text."""
    check = "--check" in sys.argv[1:]
    stale = False
    for name, text in pages.items():
        path = DOCS / name
        before = path.read_text() if path.exists() else ""
        if before == text:
            continue
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            print(f"wrote {path.relative_to(SOURCE)}")
            continue
        stale = True
        told = difflib.unified_diff(
            before.splitlines(), text.splitlines(), f"docs/{name}", "as it would be made", lineterm="", n=0
        )
        print("\n".join(list(told)[:20]))
    if stale:
        sys.exit(f"Not up to date: run {sys.argv[0]} (with the plug-in of this source tree built)")
    if check:
        print(f"{len(pages)} files are up to date")
