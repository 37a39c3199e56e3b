# The Serve application: one front, many makers.
# SPDX-License-Identifier: Apache-2.0
import math

from .front import Front
from .maker import Maker
from .settings import Settings

MOST_AT_ONCE = 4096  # requests that the front holds open
# A health check waits for no clip; a model of 39 GB takes its time to load.
HEALTH_SECONDS = 60


def build(args: Settings):
    """For `serve run`, `serve deploy` and ovi_farm.__main__: Ray gives the arguments as Settings."""
    quiet = {"enable_access_log": False}  # the address of a clip is what opens it
    maker = Maker.options(
        max_ongoing_requests=1,
        ray_actor_options={
            "num_gpus": args.gpus, "num_cpus": args.cpus, "resources": args.resources,
        },
        # One that goes because fewer are wanted finishes its clip first.
        graceful_shutdown_timeout_s=args.time_limit,
        health_check_timeout_s=HEALTH_SECONDS,
        logging_config=quiet,
        **scale(args),
    )  # fmt: skip
    front = Front.options(
        num_replicas=1,
        max_ongoing_requests=MOST_AT_ONCE,
        ray_actor_options={"num_cpus": 0, "resources": args.front_resources},
        graceful_shutdown_timeout_s=5,
        logging_config=quiet,
    )
    return front.bind(args, maker.bind(args))


def scale(args):
    if args.max_replicas <= args.replicas:
        return {"num_replicas": args.replicas}
    return {
        "autoscaling_config": {
            "min_replicas": args.replicas, "max_replicas": args.max_replicas,
            "target_ongoing_requests": 1, "upscale_delay_s": 5,
            "downscale_delay_s": math.ceil(max(args.time_limit, 300)),
        }
    }  # fmt: skip
