# Rows of a table of prompts: the CSV of `ovi make --csv`.
# SPDX-License-Identifier: Apache-2.0
import csv
import dataclasses
import os

RENAMED = {"text-prompt": "prompt", "image-path": "image"}
csv.field_size_limit(1 << 24)


class BadTable(ValueError):
    pass


@dataclasses.dataclass
class Row:
    number: int  # from 1, without the header
    line: int  # of the file
    settings: dict
    output: str  # as the table says; may be empty
    wrong: str  # why it cannot be made, or empty


def meaning(title, properties):
    """The property that a column speaks of, "output", or nothing."""
    name = title.strip().lower().replace("_", "-").replace(" ", "-")
    name = RENAMED.get(name, name)
    return name if name == "output" or name in properties else ""


def read_columns(titles, properties):
    columns, warnings = [], []
    for title in titles:
        column = meaning(title, properties)
        if column and column in columns:
            raise BadTable(f'The table has two columns for "{column}".')
        if not column and title.strip():
            warnings.append(f'the column "{title}" is not understood and left out')
        columns.append(column)
    if "prompt" not in columns:
        raise BadTable('The table\'s first row names its columns, and there is no "text_prompt" '
                       "among them.")  # fmt: skip
    return columns, warnings


def picture_of(name, folder):
    """A picture beside the table, where there is none by that name here."""
    beside = os.path.join(folder, name)
    return name if os.path.exists(name) or not os.path.exists(beside) else beside


def read_row(number, line, fields, columns, folder):
    row = Row(number, line, {}, "", "")
    if len(fields) > len(columns):
        row.wrong = (f"The row has {len(fields)} fields, the table {len(columns)} columns: "
                     "a text with commas stands in quotes.")  # fmt: skip
    for column, field in zip(columns, fields):
        if not column or not field.strip():
            continue
        if "\0" in field:
            row.wrong = f'The field "{column}" has a byte that is zero.'
        elif column == "output":
            row.output = field
        elif column == "image":
            row.settings[column] = picture_of(field, folder)
        else:
            row.settings[column] = field
    return row


def read_table(path, properties):
    """(rows, warnings); BadTable where it is none, or breaks off."""
    folder = os.path.dirname(path)
    rows, columns, warnings, before = [], None, [], 0
    with open(path, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        try:
            for fields in reader:
                line, before = before + 1, reader.line_num
                if not any(field.strip() for field in fields):
                    continue
                if columns is None:
                    columns, warnings = read_columns(fields, properties)
                else:
                    rows.append(read_row(len(rows) + 1, line, fields, columns, folder))
        except (csv.Error, UnicodeDecodeError) as wrong:
            raise BadTable(f"{path}, line {reader.line_num}: {wrong}") from None
    if columns is None:
        raise BadTable("The table is empty.")
    return rows, warnings
