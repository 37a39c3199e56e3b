#!/usr/bin/env python3
# A clip for each row of a table, on all machines of a Ray cluster.
# SPDX-License-Identifier: Apache-2.0
"""Takes the tables of `ovi make --csv`. Run again it goes on where it was stopped: a row whose clip is
there, made from the same request with the same weights, is left out. It ends with 0 when every row has
its clip, 1 when one failed, 2 for wrong arguments."""
import argparse
import json
import pathlib
import sys

import ray
import yaml

from ovi_farm.batch import Batch
from ovi_farm.settings import Settings
from ovi_farm.table import BadTable, read_table


def read_arguments(words):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", help="CSV: text_prompt, image_path, output, seed, any property")
    parser.add_argument("-m", "--model", required=True, help="its folder, on every machine")
    parser.add_argument("-o", "--output", default=".", help="folder or fsspec URL for the clips")
    parser.add_argument("-p", "--property", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("-f", "--force", action="store_true", help="replace other clips")
    parser.add_argument("--makers", type=int, help="at once (unset: one for each GPU, at least 1)")
    parser.add_argument("--gpus", type=float, default=1, help="of each maker")
    parser.add_argument("--cpus", type=float, default=1, help="of each maker")
    parser.add_argument("--resources", type=yaml.safe_load, default={}, help="of Ray, of each maker")
    parser.add_argument("--json", action="store_true", help="the results as JSON on stdout")
    asked = parser.parse_args(words)
    for assignment in asked.property:
        if "=" not in assignment:
            parser.error(f'"{assignment}" is not NAME=VALUE')
    return asked


def summary(tasks):
    rows = [
        {"row": task.row.number, "line": task.row.line, "output": task.name, "result": task.result,
         **({"seed": task.seed, "seconds": task.seconds} if task.result == "made" else {}),
         **({"reason": task.reason} if task.result == "failed" else {})}
        for task in tasks
    ]  # fmt: skip
    counts = {name: sum(task.result == name for task in tasks)
              for name in ("made", "skipped", "failed")}  # fmt: skip
    return {"rows": rows, **counts}


def main(words):
    asked = read_arguments(words)
    settings = Settings(
        model=str(pathlib.Path(asked.model).resolve()), keys="", gpus=asked.gpus, cpus=asked.cpus,
        resources=asked.resources,
        properties=dict(assignment.split("=", 1) for assignment in asked.property),
    )  # fmt: skip
    folder = str(pathlib.Path(__file__).resolve().parent)
    ray.init(runtime_env={"working_dir": folder}, log_to_driver=False, configure_logging=False)
    makers = asked.makers or max(int(ray.cluster_resources().get("GPU", 0) / (asked.gpus or 1)), 1)
    batch = None
    try:
        batch = Batch(settings, asked.output, asked.force,
                      say=lambda text: print(text, file=sys.stderr, flush=True))  # fmt: skip
        rows, warnings = read_table(asked.table, batch.start(makers))
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        tasks = batch.plan(rows)
        batch.run(tasks)
    except (BadTable, OSError, RuntimeError, ray.exceptions.RayError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    finally:
        if batch:
            batch.close()
    result = summary(tasks)
    if asked.json:
        print(json.dumps(result, indent=1))
    else:
        print("{made} made, {skipped} skipped, {failed} failed".format(**result))
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
