#!/usr/bin/env bash
# A farm, or a table of prompts, on machines that Slurm lends: sbatch examples/farm/slurm.sh COMMAND ...
# SPDX-License-Identifier: Apache-2.0
#
#   sbatch --nodes=4 --gpus-per-node=8 examples/farm/slurm.sh \
#       examples/farm/batch.py prompts.csv -m /shared/ckpts -o /shared/clips
#   sbatch --nodes=4 --gpus-per-node=8 examples/farm/slurm.sh \
#       -m ovi_farm model=/shared/ckpts keys=/shared/keys replicas=32 host=0.0.0.0
#
# This repository, its build/ and .deps/ and the model lie on a file system that all machines share, at one path.
#SBATCH --job-name=ovi-farm
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: sbatch $0 COMMAND ..." >&2; exit 2; }
root=${OVI_ROOT:-${SLURM_SUBMIT_DIR:?not within a job of Slurm: sbatch $0}}
ray=$root/.deps/farm/bin/ray
python=$root/.deps/farm/bin/python
export GST_PLUGIN_PATH=$root/build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
export PYTHONPATH=$root/examples/farm RAY_USAGE_STATS_ENABLED=0
# Who may speak to the cluster: Ray runs whatever it is sent. Not in a command line, which all can read.
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN

mapfile -t machines < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${machines[0]}
port=$((20000 + SLURM_JOB_ID % 10000))
address=$(srun --nodes=1 --ntasks=1 -w "$head" hostname --ip-address | awk '{print $1}'):$port
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
srun --nodes=1 --ntasks=1 --overlap -w "$head" \
  "$ray" start --head --node-ip-address="${address%:*}" --port="$port" --include-dashboard=false --block &
export RAY_ADDRESS=$address
for _ in $(seq 60); do
  "$ray" status >/dev/null 2>&1 && break
  sleep 1
done
for machine in "${machines[@]:1}"; do
  srun --nodes=1 --ntasks=1 --overlap -w "$machine" "$ray" start --address="$address" --block &
done
srun --nodes=1 --ntasks=1 --overlap -w "$head" "$python" "$@"
