"""What a training would cost and whether it can learn, before it begins: --dry-run, --overfit-batch, --profile."""

import dataclasses
import resource
import time
from collections.abc import Iterator

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from nstkit.errors import UserError
from nstkit.files import check_writable
from nstkit.hardware import busy_warning, memory_format_of, time_share
from nstkit.settings import known
from train_backbone.evaluate import evaluate
from train_backbone.feed import Batch
from train_backbone.loop import train_step
from train_backbone.session import Session

TIMED_STEPS, PROFILED_STEPS = 5, 20
OVERFIT_STEPS, OVERFIT_WARMUP, LEARNED_LOSS = 300, 20, 0.1


def dry_run(session: Session) -> None:
    """Print the layers with the shapes of one batch, FLOPs, memory, and the time that the whole run would take."""
    training, config, feed, precision = session.training, session.config, session.feed, session.precision
    max_steps = known(config.recipe.max_steps)
    batch = next(feed.read(0, 0, max_steps))  # at full resolution
    for line in layer_lines(training.model, batch):
        print(line)
    count = sum(parameter.numel() for parameter in training.model.parameters())
    flops = count_flops(training.model, batch.images[:2]) / 2
    begin_memory(batch.images.device)
    step_s = time_steps(session)
    started = time.perf_counter()
    part = session.data.val.take(torch.arange(min(500, len(session.data.val))))
    evaluate(training.measured, part, session.data, precision)
    val_s = (time.perf_counter() - started) * len(session.data.val) / len(part)
    total_s = step_s * max_steps + val_s * config.recipe.epochs
    print(f"parameters          {count:,}")
    print(f"forward + backward  {flops / 1e9:.3f} GFLOP a picture, {feed.batch_size} pictures a step")
    print(f"memory              {peak_memory_mib(batch.images.device):,.0f} MiB at most ({batch.images.device.type})")
    print(f"format              {session.choice}")
    print(f"step                {step_s:.3f} s, {feed.batch_size / step_s:,.0f} pictures/s")
    validations = config.recipe.epochs
    print(f"whole run           {max_steps:,} steps, {validations} validations: about {total_s / 60:.1f} min")
    if warning := busy_warning(time_share()):
        print(warning)


def layer_lines(model: nn.Module, batch: Batch) -> list[str]:
    """Return a line for each layer that has weights: path, kind, output shape, parameters."""
    lines: list[str] = []

    def add(path: str, module: nn.Module):
        def hook(module: nn.Module, inputs: tuple, output: object) -> None:
            shape = tuple(output.shape) if isinstance(output, torch.Tensor) else "-"
            count = sum(parameter.numel() for parameter in module.parameters(recurse=False))
            lines.append(f"{path:32s}{type(module).__name__:16s}{shape!s:24s}{count:>12,}")

        return hook

    handles = [
        module.register_forward_hook(add(path, module))
        for path, module in model.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    ]
    with torch.no_grad():
        model.eval()(batch.images)
    for handle in handles:
        handle.remove()
    return lines


def count_flops(model: nn.Module, images: torch.Tensor) -> int:
    """Return the floating-point operations of forward and backward of these pictures. A multiply-add counts as two."""
    with FlopCounterMode(display=False) as counter:
        model.train()(images).sum().backward()
    return counter.get_total_flops()


def time_steps(session: Session) -> float:
    """Return how many seconds a step takes: the median of a few, after two that do not count."""
    times = []
    for batch in repeated(session, TIMED_STEPS + 2):
        started = time.perf_counter()
        step_once(session, batch)
        times.append(time.perf_counter() - started)
    return sorted(times[2:])[TIMED_STEPS // 2]


def repeated(session: Session, count: int) -> Iterator[Batch]:
    """Yield `count` batches of the first epoch, which begins again where it has fewer."""
    done = 0
    while done < count:
        for batch in session.feed.read(0, 0, known(session.config.recipe.max_steps)):  # at full resolution
            yield batch
            done += 1
            if done == count:
                return


def step_once(session: Session, batch: Batch) -> list[float]:
    """Do one step; return what `train_step` does, as numbers."""
    training = session.training
    memory_format = memory_format_of(training.model.parameters())
    training.model.train()
    std = session.data.std
    return train_step(training, batch, session.config, session.precision, memory_format, std=std).tolist()


def begin_memory(device: torch.device) -> None:
    """Begin to watch for the highest use of memory."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_mib(device: torch.device) -> float:
    """Return the highest use of memory: of the GPU since `begin_memory`, elsewhere of the process since its start."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def overfit_batch(session: Session) -> None:
    """Learn one batch by heart and print the way there.

    A network, a loss and an optimizer that are put together rightly can do it; one that cannot will not learn the data
    set either.

    Raises:
        UserError: when it did not learn the batch.
    """
    session = dataclasses.replace(session, config=session.config.changed(label_smoothing=0.0))
    recipe = session.config.recipe
    batch = next(session.feed.read(0, 0, known(recipe.max_steps)))
    for step in range(1, OVERFIT_STEPS + 1):
        for group in session.training.optimizer.param_groups:
            group["lr"] = known(recipe.lr) * min(1.0, step / OVERFIT_WARMUP)  # the run's schedule may be long or short
        loss, top1, norm, _ = step_once(session, batch)
        if step % 20 == 0 or loss < LEARNED_LOSS:
            print(f"step {step:4d}  loss {loss:.4f}  top1 {top1:.1%}  gradient {norm:.3g}")
        if loss < LEARNED_LOSS:
            print(f"learned {len(batch.labels)} pictures by heart in {step} steps")
            return
    raise UserError(
        f"one batch was not learned by heart in {OVERFIT_STEPS} steps: the loss is {loss:.3f}, not {LEARNED_LOSS}. Try "
        f"another --lr or --init, and without mixing, erasing and dropout, which keep from learning by heart."
    )


def profile_steps(session: Session) -> None:
    """Print what a few steps spend their time on and write a trace that chrome://tracing and Perfetto show."""
    folder = known(session.folder)
    check_writable(folder)
    device = session.device
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    for batch in repeated(session, 2):
        step_once(session, batch)
    with profile(activities=activities) as profiler:
        for batch in repeated(session, PROFILED_STEPS):
            step_once(session, batch)
    path = folder / "trace.json"
    profiler.export_chrome_trace(str(path))
    sort_by = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    print(profiler.key_averages().table(sort_by=sort_by, row_limit=15, max_name_column_width=40))
    for event in profiler.key_averages():
        if event.key in ("augment", "forward", "backward", "optimizer"):
            print(f"{event.key:10s} {event.cpu_time_total / 1e3 / PROFILED_STEPS:8.1f} ms a step on the CPU")
    print(f"trace: {path}")
