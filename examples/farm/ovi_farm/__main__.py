# python -m ovi_farm NAME=VALUE ...: runs a farm until it is interrupted.
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import signal
import sys

import pydantic
import ray
import yaml
from ray import serve

from .app import build
from .settings import Settings

HELP = """python -m ovi_farm model=FOLDER keys=FILE [NAME=VALUE ...]

On the cluster that RAY_ADDRESS or `ray start` names, or on this machine alone. host= and port= say where
it listens (127.0.0.1, 8000; behind what ends TLS). Values are YAML: properties="{steps: 50}".
"""


def read(words):
    """Settings and where to listen; ValueError."""
    values = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise ValueError(f'"{word}" is not NAME=VALUE')
        # A text that looks like a number may be a name.
        plain = name in Settings.model_fields and Settings.model_fields[name].annotation is str
        values[name] = text if plain or name == "host" else yaml.safe_load(text)
    place = {"host": values.pop("host", "127.0.0.1"), "port": int(values.pop("port", 8000))}
    for name in ("model", "keys"):
        if name in values:
            values[name] = os.path.abspath(values[name])
    try:
        return Settings(**values), place
    except pydantic.ValidationError as wrong:
        raise ValueError(str(wrong)) from None


def main(words):
    if not words or words[0] in ("-h", "--help"):
        print(HELP)
        for name, field in Settings.model_fields.items():
            default = "" if field.is_required() else f" [{field.default}]"
            print(f"  {name}{default}\n      {field.description or ''}")
        return 2
    try:
        settings, place = read(words)
    except ValueError as wrong:
        print(f"Error: {wrong}", file=sys.stderr)
        return 2
    # Other machines get this program from here; they need the plug-in, the model and Ray.
    folder = str(pathlib.Path(__file__).resolve().parents[1])
    ray.init(runtime_env={"working_dir": folder}, log_to_driver=False)
    serve.start(proxy_location="HeadOnly", http_options=place,
                logging_config={"enable_access_log": False})  # fmt: skip
    serve.run(build(settings), name="ovi", route_prefix="/")
    print(f"Clips are made at http://{place['host']}:{place['port']}/v1/ovi-i2v", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    serve.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
