# One clip by ranks that a real launcher starts, as docs/scaling.md has it: launcher_test.py mpirun|torchrun|srun
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import shutil
import socket
import sys

import demo
import media

sys.path.insert(0, str(demo.SOURCE / "tests" / "docs"))
import pages  # noqa: E402

COMMANDS = {
    # Open MPI wants to be told that root means it, and that ranks may be more than cores.
    "mpirun": ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2"],
    "torchrun": ["torchrun", "--no_python", "--nnodes", "1", "--nproc_per_node", "2", "--standalone"],
    "srun": ["srun", "--ntasks", "2", "--overcommit"],
}
PROMPT = "Rain on leaves. <AUDCAP>Rain.<ENDAUDCAP>"


def rank_script(folder):
    """The page's own."""
    (block,) = [block for block in pages.blocks("docs/scaling.md") if block.file == "rank.sh"]
    path = folder / "rank.sh"
    path.write_text(block.text)
    path.chmod(0o755)
    return path


def main(launcher):
    if not shutil.which(launcher):
        print(f"{launcher} is not installed")
        return 77
    # Slurm without a cluster, or Debian 12's torchrun, which its Python is too new for.
    status, said = demo.run([*COMMANDS[launcher], "true"], demo.SOURCE)
    if status != 0:
        print(f"{launcher} starts nothing here:\n{said}")
        return 77
    build = pathlib.Path(os.environ["BUILD"])
    with demo.work_folder(launcher) as folder:
        model = demo.Model(folder / "model", area=64 * 64, video_latents=3, audio_latents=12)
        script = rank_script(folder)
        path = f"{build}/gst/tools:{build}/gst/isolation/worker:{os.environ['PATH']}"
        request = [demo.IMAGE, PROMPT, "-m", model.path, "--seed", "5", "-p", "steps=2"]
        status, said = demo.run(["ovi", "make", *request, "-o", "one.mkv"], folder, PATH=path)
        assert status == 0, said
        engine = build / "engine" / "libovii2v-engine.so.1"  # an installed worker lies beside it
        environment = {"PATH": path, "MASTER_ADDR": "127.0.0.1", "OVII2V_ENGINE_PATH": engine}
        if launcher != "torchrun":  # which chooses its own
            environment["MASTER_PORT"] = demo.free_ports(socket.SOCK_STREAM, 1)
        status, said = demo.run([*COMMANDS[launcher], script, *request, "-o", "two.mkv"], folder, **environment)
        assert status == 0, said
        one, two = (media.frames(folder / name, model.width, model.height) for name in ("one.mkv", "two.mkv"))
        assert len(one) == len(two) == model.frames, (len(one), len(two))
        for number, (here, there) in enumerate(zip(one, two)):
            assert media.difference(here, there) < 1, f"frame {number}: {media.difference(here, there)}"
    print(f"{launcher}: a clip of two ranks, as one device makes it")
    return 0


sys.exit(main(sys.argv[1]))
