"""The precision that a network computes in: what the hardware has, and torch's context for it."""

import torch

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def resolve(wanted: str, device: str | torch.device) -> str:
    """'fp32', 'bf16' or 'fp16' for a recipe's precision on a device; 'auto' is bf16 if the hardware has it."""
    processor = torch.device(device).type
    if processor == "cuda":
        fast = ["bf16", "fp16"] if torch.cuda.is_bf16_supported(including_emulation=False) else ["fp16"]
    else:
        cpu = processor == "cpu" and torch.backends.mkldnn.is_available()  # not every build of torch has it
        fast = ["bf16"] if cpu and torch.ops.mkldnn._is_mkldnn_bf16_supported() else []
    if wanted == "auto":
        return "bf16" if "bf16" in fast else "fp32"
    possible = ["fp32", *fast] + ["bf16"] * (processor == "cpu" and not fast)  # slow there, but right
    if wanted not in possible:
        known = ", ".join(["auto", *possible])
        raise ValueError(f"precision: {wanted!r} is not possible on this {processor}; allowed is {known}")
    return wanted


def autocast(wanted: str, device: str | torch.device) -> torch.autocast:
    """The context in which a network computes in a recipe's precision."""
    dtype = DTYPES.get(resolve(wanted, device))
    return torch.autocast(torch.device(device).type, dtype, enabled=dtype is not None)
