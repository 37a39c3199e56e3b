#!/usr/bin/env python3
# The links of the pages lead somewhere: files and anchors of this repository.
# SPDX-License-Identifier: Apache-2.0
"""links_test.py             check what can be checked without a network
links_test.py --external  list the addresses elsewhere, one a line, with the pages that name them
"""
import re
import sys

import pages

LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+(?:\([^)]*\))?)\)")


def links(page):
    text = re.sub(r"`[^`\n]*`", "", pages.prose(page))
    return LINK.findall(text)


def external():
    found = {}
    for page in pages.pages():
        text = (pages.SOURCE / page).read_text()
        for address in links(page) + re.findall(r"https?://[\w./%~#?=&+-]+\w", text):
            if address.startswith("http"):
                found.setdefault(address, set()).add(page)
    for address in sorted(found):
        print(address, *sorted(found[address]))


def test():
    wrong, count = [], 0
    for page in pages.pages():
        for link in links(page):
            if re.match(r"[a-z]+:", link):
                continue
            count += 1
            path, _, anchor = link.partition("#")
            target = (pages.SOURCE / page).parent / path if path else pages.SOURCE / page
            if not target.exists():
                wrong.append(f"{page}: {link} leads nowhere")
                continue
            if anchor:
                name = str(target.resolve().relative_to(pages.SOURCE))
                if not name.endswith(".md") or anchor not in pages.anchors(name):
                    wrong.append(f"{page}: {link}: there is no such heading")
    # A page that nobody leads to is not found.
    led = {str(((pages.SOURCE / page).parent / link.partition("#")[0]).resolve())
           for page in pages.pages() for link in links(page) if not link.startswith("http")}  # fmt: skip
    for path in (pages.SOURCE / "docs" / "graphs").iterdir():
        if str(path) not in led:
            wrong.append(f"no page shows {path.name}")
    site = (pages.SOURCE / "mkdocs.yml").read_text()
    for page in pages.pages():
        if page.startswith("docs/"):
            name = page.removeprefix("docs/")
            if name != "index.md" and str(pages.SOURCE / page) not in led:
                wrong.append(f"nothing leads to {page}")
            if f": {name}\n" not in site:
                wrong.append(f"mkdocs.yml does not have {name}")
    listed = (pages.SOURCE / "tests" / "docs" / "meson.build").read_text()
    for page in pages.pages():
        if any(block.language == "sh" for block in pages.blocks(page)) and f"'{page}'" not in listed:
            wrong.append(f"the commands of {page} are not in tests/docs/meson.build")
    assert count > 100, f"only {count} links were found"
    print(*wrong, sep="\n")
    sys.exit(f"{len(wrong)} of {count} links" if wrong else None)


if "--external" in sys.argv[1:]:
    external()
else:
    test()
