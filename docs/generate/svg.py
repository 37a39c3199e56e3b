# A graph as a picture: columns from left to right, links as curves.
# SPDX-License-Identifier: Apache-2.0
from xml.sax.saxutils import escape

LETTER = 7.2  # pixels of a monospaced letter of 12
SMALL = 6.1  # of 10
HIGH, GAP, BETWEEN = 34, 18, 46
EDGE = 12


def shortened(caps):
    """'video/x-h264,profile=main' -> 'profile=main'; what says only the kind is left out."""
    kind, _, rest = caps.partition(",")
    if not rest:
        return ""
    return rest.replace("(int)", "").replace(",", " ")


def columns_of(graph):
    """Each node stands right of all that it gets something from."""
    column = {key: 0 for key, *_ in graph.nodes}
    for _ in graph.nodes:
        for start, to, *_ in graph.edges:
            column[to] = max(column[to], column[start] + 1)
    # What nothing comes to stands beside what it goes to.
    for key in column:
        gives = [column[to] for start, to, *_ in graph.edges if start == key]
        if gives and not any(to == key for _, to, *_ in graph.edges) and key:
            column[key] = min(gives) - 1
    return column


def rows_of(graph, column):
    """From left to right each node beside those that it comes from, as far as there is room."""
    row, taken = {}, set()
    for key, *_ in sorted(graph.nodes, key=lambda node: (column[node[0]], node[0])):
        feeds = [(row[start], order) for order, (start, to, *_) in enumerate(graph.edges)
                 if to == key and start in row]  # fmt: skip
        wish = min(feeds)[0] if feeds else 0
        siblings = [to for start, to, *_ in graph.edges
                    if any(s == start for s, t, *_ in graph.edges if t == key)]  # fmt: skip
        if len(feeds) == 1 and key in siblings:
            wish += siblings.index(key)
        while (column[key], wish) in taken or passes(graph, row, column, key, wish):
            wish += 1
        row[key] = wish
        taken.add((column[key], wish))
    return row


def passes(graph, row, column, key, wish):
    """Whether a link that goes over several columns would cross the place."""
    for start, to, *_ in graph.edges:
        if key in (start, to) or start not in row:
            continue
        if column[start] < column[key] < column[to] and row[start] == wish and start != to:
            return True
    return False


def text(x, y, words, style, anchor="middle"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" class="{style}">{escape(words)}</text>'


def drawing(graphs, title):
    """An SVG of the graphs, one below the other; (headline, graph) each."""
    parts, top, widest = [], EDGE, 0
    for headline, graph in graphs:
        if headline:
            parts.append(text(EDGE, top + 12, headline, "head", "start"))
            top += 26
        column = columns_of(graph)
        row = rows_of(graph, column)
        wide = [0.0] * (max(column.values()) + 1)
        room = [BETWEEN] * len(wide)
        for key, kind, name in graph.nodes:
            words = max(len(kind) * LETTER, (len(name) + 2) * SMALL if name else 0)
            wide[column[key]] = max(wide[column[key]], words + 18)
        for start, to, caps, pad in graph.edges:
            label = len(" ".join((shortened(caps), pad)))
            if column[to] > column[start]:
                room[column[start]] = max(room[column[start]], label * SMALL + 22)
        left = [EDGE]
        for at, its in enumerate(wide):
            left.append(left[-1] + its + room[at])
        place = {}
        for key, kind, name in graph.nodes:
            x = left[column[key]]
            y = top + row[key] * (HIGH + GAP)
            its = wide[column[key]]
            place[key] = (x, y + HIGH / 2, its)
            parts.append(f'<rect x="{x:.0f}" y="{y:.0f}" width="{its:.0f}" height="{HIGH}" rx="6" '
                         f'class="{"own" if kind.startswith("ovii2v") else "box"}"/>')  # fmt: skip
            if name:
                parts.append(text(x + its / 2, y + 15, kind, "kind"))
                parts.append(text(x + its / 2, y + 28, name if "/" in name else f'"{name}"', "name"))
            else:
                parts.append(text(x + its / 2, y + 21, kind, "kind"))
        for start, to, caps, pad in graph.edges:
            x, y, its = place[start]
            to_x, to_y, _ = place[to]
            x += its
            # Along its own row as far as it goes, then over to the other one.
            turn = max(x, to_x - BETWEEN)
            parts.append(f'<path d="M{x:.0f} {y:.0f} L{turn:.0f} {y:.0f} C{turn + 24:.0f} {y:.0f} '
                         f'{to_x - 26:.0f} {to_y:.0f} {to_x - 5:.0f} {to_y:.0f}" marker-end="url(#tip)"/>')  # fmt: skip
            words = " ".join(one for one in (pad, shortened(caps)) if one)
            if words and abs(to_y - y) < 1:
                parts.append(text((x + to_x) / 2 - 3, y - 5, words, "link"))
            elif words:
                parts.append(text(to_x - 8, to_y + 14, words, "link", "end"))
        widest = max(widest, left[-1] - room[-1] + EDGE)
        top += (max(row.values()) + 1) * (HIGH + GAP) + 6
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{widest:.0f}" height="{top:.0f}" '
        f'viewBox="0 0 {widest:.0f} {top:.0f}" role="img">',
        f"<title>{escape(title)}</title>",
        "<style>text{font-family:ui-monospace,monospace;font-size:12px;fill:#222}"
        ".head{font-weight:bold}.name,.link{font-size:10px;fill:#555}"
        ".box{fill:#f3f4f6;stroke:#9aa0a6}.own{fill:#d7ecd9;stroke:#3c8c47}"
        "path{fill:none;stroke:#5f6368}marker path{fill:#5f6368;stroke:none}</style>",
        '<marker id="tip" viewBox="0 0 6 6" refX="1" refY="3" markerWidth="6" markerHeight="6" '
        'orient="auto"><path d="M0 0L6 3L0 6z"/></marker>',
        f'<rect width="{widest:.0f}" height="{top:.0f}" fill="#fff"/>',
        *parts, "</svg>", "",
    ])  # fmt: skip
