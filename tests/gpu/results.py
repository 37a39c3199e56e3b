"""What the programs that check.py runs have said, in short.

SPDX-License-Identifier: Apache-2.0
"""
import re


def read_parity(log):
    """Counts, and for each stage how much of its tolerance the worst tensor took."""
    worst = {}
    for case, error, tolerance in re.findall(
            r"(?m)^(?:ok|FAIL)\s+(\S+) [^:]*: error (\S+), tolerance ([^\s,]+)", log):
        share = float(error) / float(tolerance) if float(tolerance) else 0.0
        worst[case] = max(worst.get(case, 0.0), share)
    total = re.search(r"(\d+) passed, (\d+) failed", log)
    counts = {"passed": int(total[1]), "failed": int(total[2])} if total else {}
    return {**counts, "share_of_tolerance": worst,
            "failures": re.findall(r"(?m)^FAIL.*", log)[:20]}


def judge_waits(step):
    if not step["launches"]:
        return "no CUDA was used"
    waits = [f"{key} {step[key]:g}" for key in ("device_waits", "stream_waits", "copies",
                                                "async_to_device", "async_to_host", "releases")
             if step[key] > 0]
    return "waits: " + ", ".join(waits) if waits else (
        f"never waits for all of the device; {step['event_waits']:g} events, "
        f"{step['launches']:g} kernels")


def summary(result):
    """One line of a result of ovi-bench."""
    seconds = result.get("seconds", {})
    words = [f"{key} {seconds[key]:.2f} s" for key in ("total", "step", "denoise", "video_decode",
                                                       "first_frame", "load") if key in seconds]
    if "denoise_tflop_per_second" in result:
        words.append(f"{result['denoise_tflop_per_second']:.3g} TFLOP/s")
    if "peak_device_mib" in result:
        words.append(f"{result['peak_device_mib']:.0f} MiB device")
    choices = result.get("choices", {})
    words += [f"{key} {choices[key]['taken']}" for key in
              ("attention", "float8_product", "gelu_epilogue") if key in choices]
    kernels = choices.get("fused_kernels", {})
    left_out = [name for name, state in kernels.items() if state != "used"]
    if len(left_out) < len(kernels):
        words.append("fused kernels used" + (f", but for {', '.join(left_out)}" if left_out else ""))
    return ", ".join(words)
