# Everything about a farm that an operator may set.
# SPDX-License-Identifier: Apache-2.0
import os

from pydantic import BaseModel, ConfigDict, Field

MIB = 1 << 20


class Settings(BaseModel):
    """Given as NAME=VALUE to `python -m ovi_farm`, or as `args` of a Serve configuration."""

    model_config = ConfigDict(extra="forbid")

    # The clips.
    model: str = Field(description="folder of the model, the same on every machine")
    keys: str = Field(description="file of API keys, on the head: see ovi_farm/keys.py")
    properties: dict[str, str | int | float | bool] = Field(
        {}, description="properties of ovii2vsrc for every clip"
    )
    plugins: str = Field(
        os.environ.get("GST_PLUGIN_PATH", ""),
        description="folder of the plug-in on every machine (unset: GST_PLUGIN_PATH of the command)",
    )
    video_encoder: str = (
        "x264enc pass=qual quantizer=18 bitrate=40000 ! video/x-h264,profile=high ! h264parse"
    )
    audio_encoder: str = "avenc_aac bitrate=160000"
    warm_up: bool = Field(True, description="load the model before the first request comes")

    # The machines.
    replicas: int = Field(1, ge=1, description="processes that make clips, over all machines")
    max_replicas: int = Field(0, ge=0, description="more than `replicas`: as many as are wanted")
    gpus: float = Field(1, ge=0, description="GPUs of each; 0: on the CPU")
    cpus: float = Field(1, ge=0, description="CPUs of each, as Ray counts them")
    resources: dict[str, float] = Field({}, description="resources of Ray that each needs as well")
    front_resources: dict[str, float] = Field(
        {"node:__internal_head__": 0.001}, description="where the front runs: by default the head"
    )

    # The requests.
    queue: int = Field(32, ge=1, description="jobs that may wait; then 429")
    per_key: int = Field(16, ge=1, description="requests of one key at once; then 429")
    time_limit: float = Field(900, gt=0, description="seconds from request to clip; then 504")
    body_bytes: int = Field(28 * MIB, gt=0, description="largest body of a request; then 413")
    body_seconds: float = Field(30, gt=0, description="for sending a body; then 408")
    bodies_bytes: int = Field(512 * MIB, gt=0, description="of all bodies being read; then 429")
    prompt_bytes: int = Field(32768, gt=0)

    # The pictures.
    image_schemes: set[str] = Field({"https", "data"}, description="of https, http, data")
    image_bytes: int = Field(20 * MIB, gt=0)
    image_seconds: float = Field(20, gt=0, description="for fetching one")
    image_ports: set[int] = {80, 443}
    private_addresses: bool = Field(False, description="fetch from private networks as well")

    # The results.
    results: str = Field("/var/tmp/ovi-farm", description="folder on the head, or any fsspec URL")
    keep_seconds: float = Field(86400, gt=0, description="then a clip and its job are removed")
    public_url: str = Field("", description="how clients reach the farm (unset: as they did)")
