# The pages of the documentation, and the fenced blocks in them.
# SPDX-License-Identifier: Apache-2.0
import pathlib
import re
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def pages():
    """Every page that a user reads, by its path below the source tree."""
    return [
        "README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md", "examples/farm/README.md",
        *sorted(str(path.relative_to(SOURCE)) for path in (SOURCE / "docs").glob("*.md")),
    ]  # fmt: skip


class Block:
    """A fenced block. A comment on the line before says how it is dealt with:

    <!-- not run: REASON -->   it is only checked; for `sh` blocks
    <!-- file: NAME -->        it is written to that file, for the blocks that follow
    """

    def __init__(self, page, line, language, text, mark):
        self.page, self.line, self.language, self.text = page, line, language, text
        kind, _, value = mark.partition(": ")
        assert kind in ("", "not run", "file"), f"{page}:{line}: what is {mark!r}?"
        assert not kind or value.strip(), f"{page}:{line}: {kind}: what?"
        self.reason = value if kind == "not run" else ""
        self.file = value if kind == "file" else ""

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks(page):
    lines = (SOURCE / page).read_text().splitlines()
    found, at = [], 0
    while at < len(lines):
        if not lines[at].startswith("```"):
            at += 1
            continue
        language = lines[at][3:]
        begin = at + 1
        end = next(i for i in range(begin, len(lines)) if lines[i] == "```")
        mark = re.fullmatch(r"<!-- (.*) -->", lines[at - 1]) if at else None
        text = "\n".join(lines[begin:end]) + "\n"
        found.append(Block(page, begin + 1, language, text, mark[1] if mark else ""))
        at = end + 1
    return found


def prose(page):
    """Without what stands in fences."""
    return re.sub(r"^```.*?^```$", "", (SOURCE / page).read_text(), flags=re.M | re.S)


def slug(heading):
    """A heading's anchor, as GitHub (and the site's configuration) makes it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def anchors(page):
    counts, found = {}, set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.M):
        name = slug(heading)
        count = counts.get(name, 0)
        counts[name] = count + 1
        found.add(f"{name}-{count}" if count else name)
    return found


def tracked(path):
    """Whether git has it, or has something below it."""
    told = subprocess.run(["git", "-C", SOURCE, "ls-files", "--", path], capture_output=True, text=True)
    return bool(told.stdout.strip())
