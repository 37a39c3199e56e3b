#!/usr/bin/python3
# docs/engine-api.md, from the comments of the engine's headers.
# SPDX-License-Identifier: Apache-2.0
"""engine_api.py [--check]"""

import re

import page

HEADERS = ["engine.h", "inspect.h", "convert.h"]


def said(comment):
    """The text of a comment, lines joined; paragraphs stay apart."""
    text = comment.strip().removeprefix("/*").removesuffix("*/")
    lines = [re.sub(r"^\s*\* ?", "", line) for line in text.splitlines()]
    paragraphs = "\n".join(line.strip() for line in lines).strip().split("\n\n")
    return [plain(" ".join(one.split())) for one in paragraphs if one.strip()]


def plain(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def declarations(text):
    """(comment before, declaration, comment behind) of each, in their order. A declaration ends
    with the `;` that is in no braces or parentheses."""
    body = text[text.index('extern "C" {\n#endif') + len('extern "C" {\n#endif') :]
    body = body[: body.index("#ifdef __cplusplus")]
    found, before, at = [], "", 0
    while at < len(body):
        if body[at].isspace():
            at += 1
        elif body.startswith("/*", at):
            end = body.index("*/", at) + 2
            before, at = body[at:end], end
        elif body[at] == "#":
            end = body.index("\n", at)
            found.append((before, body[at:end], ""))
            before, at = "", end
        else:
            end, depth = at, 0
            while True:
                if body.startswith("/*", end):
                    end = body.index("*/", end) + 2
                    continue
                depth += {"{": 1, "(": 1, "}": -1, ")": -1}.get(body[end], 0)
                end += 1
                if body[end - 1] == ";" and depth == 0:
                    break
            line = body[end : body.index("\n", end)]
            behind = re.fullmatch(r"\s*(/\*.*\*/)\s*", line)
            found.append((before, body[at:end], behind[1] if behind else ""))
            before, at = "", end + len(line)
    return found


def members(inside, separator):
    """(declaration, text) of each member: a comment stands before it on lines of its own, or
    behind it on the same line."""
    found, before = [], ""
    pieces = re.findall(r"/\*.*?\*/|[^/]+", inside, re.S)
    for at, piece in enumerate(pieces):
        if not piece.startswith("/*"):
            for one in piece.split(separator):
                # A line break before it: what came before was a comment of its own line.
                if one.strip():
                    found.append([" ".join(one.split()), before])
                    before = ""
            continue
        text = " ".join(said(piece))
        earlier = pieces[at - 1] if at else "\n"
        if earlier.rstrip(" ").endswith("\n") or not found:
            before = text
        else:
            found[-1][1] = (found[-1][1] + " " + text).strip()
    return found


def table(inside, separator):
    lines = ["| | |", "|---|---|"]
    for declaration, text in members(inside, separator):
        lines.append(f"| `{declaration}` | {text} |")
    return lines


def described(before, declaration, behind):
    text = said(before) + (said(behind) if behind else [])
    paragraphs = [line for one in text for line in (one, "")]
    if found := re.match(r"typedef (struct|enum) (\w+) \{(.*)\} \w+;", declaration, re.S):
        kind, name, inside = found.groups()
        separator = "," if kind == "enum" else ";"
        return [f"### {name}", *paragraphs, *table(inside, separator), ""]
    code = re.sub(r"^OVI_API ", "", declaration)
    code = "\n".join(line.replace("        ", "    ", 1) for line in code.splitlines())
    if found := re.match(r"OVI_API .*?(\w+)\(", declaration, re.S):
        return [f"### {found[1]}", *paragraphs, "```c", code, "```", ""]
    if found := re.match(r"typedef struct (\w+) \w+;", declaration):
        return [f"### {found[1]}", "A handle; its inside is the library's.", ""]
    raise AssertionError(f"what is this? {declaration}")


def main():
    lines = [
        "# The engine's C interface", "",
        "<!-- Made by docs/generate/engine_api.py from the comments of engine/include/ovi/. -->",
        "For programs that make clips without GStreamer: `libovii2v-engine.so.1` and these headers, which "
        "`ninja -C build install` puts into the system. The element uses nothing else of the engine. "
        "[A program that uses it](embedding.md#c-and-c-without-gstreamer).", "",
    ]  # fmt: skip
    for name in HEADERS:
        text = (page.SOURCE / "engine" / "include" / "ovi" / name).read_text()
        head = said(re.match(r"/\*.*?\*/", text, re.S)[0])
        title, *rest = [one for one in head if "SPDX" not in one]
        about = title.split(" - ", 1)[1]
        lines += [f"## ovi/{name}", about[0].upper() + about[1:], ""]
        lines += [line for one in rest for line in (one, "")]
        if version := re.search(r"^#define OVI_ENGINE_ABI (\d+)u", text, re.M):
            lines += [f"`OVI_ENGINE_ABI` is {version[1]}.", ""]
        for before, declaration, behind in declarations(text):
            if not declaration.startswith("#"):
                lines += described(before, declaration, behind)
    page.put({"engine-api.md": "\n".join(lines).rstrip() + "\n"})


main()
