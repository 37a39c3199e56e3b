# For mkdocs: what a page links to outside of docs/ is in the repository, and no page of the site.
# SPDX-License-Identifier: Apache-2.0
import posixpath
import re


def on_page_markdown(markdown, page, config, files):
    """Such a link leads to repo_url where mkdocs.yml has one, else its text stays."""
    base = (config.repo_url or "").rstrip("/")

    def exchanged(found):
        text, target = found[1], found[2]
        way = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), target))
        if not way.startswith("../"):
            return found[0]
        return f"[{text}]({base}/blob/main/{way[3:]})" if base else text

    return re.sub(r"(?<!!)\[([^\]]+)\]\((\.\.?/[^)\s]+)\)", exchanged, markdown)
