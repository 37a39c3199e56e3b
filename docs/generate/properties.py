#!/usr/bin/python3
# docs/properties.md, from the element itself: types, ranges, values and defaults by introspection,
# the texts from the comments beside its properties.
# SPDX-License-Identifier: Apache-2.0
"""properties.py [--check]: with GST_PLUGIN_PATH naming the folder of the plug-in."""

import os
import re

import gi
import page

gi.require_version("Gst", "1.0")
from gi.repository import GObject, Gst  # noqa: E402

os.environ.pop("OVI_MODEL_PATH", None)  # or it would be told as a default
ELEMENT = "ovii2vsrc"
# In the order in which somebody comes to need them.
GROUPS = {
    "What is to be made": ["prompt", "image", "image-sample", "seed", "video-negative-prompt",
                           "audio-negative-prompt", "width", "height"],
    "The model": ["model-path", "variant", "lora", "device", "devices", "precision", "memory",
                  "isolation"],
    "How it is computed": ["steps", "solver", "shift", "video-guidance-scale", "audio-guidance-scale",
                           "slg-layer", "acceleration", "preview"],
    "Chains and live streams": ["num-clips", "continuity", "is-live", "hold", "failures"],
    "Pictures from strangers": ["image-schemes", "image-folder"],
    "What was done": ["stats"],
}  # fmt: skip


def comments():
    """{property or signal or pad: text} of the documentation comments of the element."""
    found = {}
    for name in "gst/gstovii2vsrc.cpp", "gst/properties.cpp":
        text = (page.SOURCE / name).read_text()
        for mark, about, said in re.findall(
            r"/\*\*\s*(?:\n\s*\* )?GstOvii2vSrc(::|:|!)([\w-]+):(.*?)\*/", text, re.S
        ):
            lines = [re.sub(r"^\s*\*? ?", "", line).rstrip() for line in said.splitlines()]
            paragraphs = "\n".join(lines).strip().split("\n\n")
            found[mark + about] = [" ".join(one.split()) for one in paragraphs]
    return found


def linked(text):
    """gtk-doc's marks as Markdown's."""
    text = re.sub(r"#GstOvii2vSrc:([\w-]+)", r"[`\1`](#\1)", text)
    text = re.sub(r"#(Gst\w+)", r"`\1`", text)
    text = re.sub(r"%(\w+)", r"`\1`", text)
    return re.sub(r"(?<![`\w])@(\w+)", r"`\1`", text)


def plain(text):
    return text.replace("<", "&lt;")


def number(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


def kind(spec):
    """Its type, range or words, and default, in words."""
    told = GObject.type_name(spec.value_type)
    names = {"gchararray": "text", "gboolean": "true or false", "gint64": "whole number",
             "guint": "whole number", "gdouble": "number"}  # fmt: skip
    if hasattr(spec, "enum_class"):
        words = "one of the words below"
        default = f"`{spec.default_value.value_nick}`"
    elif hasattr(spec, "minimum"):
        most = spec.maximum
        unbounded = most in (2**31 - 1, 2**32 - 1, 2**63 - 1)
        words = f"{names[told]} from {number(spec.minimum)}" + (
            "" if unbounded else f" to {number(most)}")
        default = f"`{number(spec.default_value)}`"
    elif told in names:
        words = names[told]
        value = spec.default_value
        default = f"`{str(value).lower() if isinstance(value, bool) else value}`" if value not in (None, "") else "unset"
    else:
        words, default = f"`{told}`", "unset"
    return words, default


def when(spec):
    flags = int(spec.flags)
    if not flags & int(GObject.ParamFlags.WRITABLE):
        return "read only"
    if flags & Gst.PARAM_MUTABLE_PLAYING:
        return "may change while playing"
    if flags & Gst.PARAM_MUTABLE_PAUSED:
        return "may change while paused"
    return "set before it plays"


def property_text(spec, said):
    words, default = kind(spec)
    lines = [f"### {spec.name}", f"{plain(spec.blurb)}.", ""]
    facts = [words] if when(spec) == "read only" else [words, f"default {default}", when(spec)]
    lines += [f"*{'; '.join(facts)}*", ""]
    if hasattr(spec, "enum_class"):
        lines += ["| | |", "|---|---|"]
        values = spec.enum_class.__enum_values__
        for key in sorted(values):
            value = values[key]
            lines.append(f"| `{value.value_nick}` | {plain(value.value_name)} |")
        lines.append("")
    text = said.get(":" + spec.name, [])
    # A comment that says no more than the line above is not said twice.
    if text and len(" ".join(text)) > len(spec.blurb) + 10:
        for paragraph in text:
            lines += [linked(paragraph), ""]
    return lines


def pad_text(template, said):
    lines = [f"### {template.name_template}", *map(linked, said["!" + template.name_template]), ""]
    caps = template.get_caps()
    lines += ["```text"]
    for at in range(caps.get_size()):
        lines.append(caps.get_structure(at).to_string())
    return [*lines, "```", ""]


def signal_text(name, said):
    lines = [f"### {name}", ""]
    for paragraph in said.get("::" + name, []):
        lines += [linked(paragraph), ""]
    return lines


def main():
    Gst.init(None)
    factory = Gst.ElementFactory.find(ELEMENT)
    assert factory, f"GStreamer has no {ELEMENT}: GST_PLUGIN_PATH names the folder of the plug-in"
    element = factory.create()
    said = comments()
    own = {spec.name: spec for spec in element.list_properties()
           if spec.owner_type == type(element).__gtype__}  # fmt: skip
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(own), set(grouped) ^ set(own)

    lines = [
        "# Properties and pads", "",
        "<!-- Made by docs/generate/properties.py from the element itself. -->",
        f"{factory.get_metadata('description')}.", "",
        f"`gst-inspect-1.0 {ELEMENT}` says the same in short; how they work together is in "
        "[What the element does](element.md).", "",
        "| property | default | |", "|---|---|---|",
    ]  # fmt: skip
    for name in grouped:
        spec = own[name]
        default = "" if when(spec) == "read only" else kind(spec)[1]
        if len(default) > 40:
            default = "a list of words"
        lines.append(f"| [`{name}`](#{name}) | {default} | {plain(spec.blurb)} |")
    lines += ["", "## Pads", ""]
    for template in sorted(element.get_pad_template_list(), key=lambda one: -ord(one.name_template[0])):
        lines += pad_text(template, said)
    for title, names in GROUPS.items():
        lines += [f"## {title}", ""]
        for name in names:
            lines += property_text(own[name], said)
    signals = [GObject.signal_name(one) for one in GObject.signal_list_ids(type(element).__gtype__)]
    lines += ["## Action signals", ""]
    for name in sorted(signals):
        lines += signal_text(name, said)
    page.put({"properties.md": "\n".join(lines).rstrip() + "\n"})


main()
