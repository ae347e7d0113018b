"""The live weights: parents resident, the merged model in place, rebuilt only where a recipe changes.

Each parent and the live model are flat buffers in the same order, by block, then element, each key starting at a
multiple of 128 elements (256 bytes in fp16). Parameters are views of the live buffer, so building a recipe is a few
passes over contiguous segments and no address ever changes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.arithmetic import DTYPES, Arithmetic, Found, prepass
from engine.blocks import BLOCKS, ELEMENTS, block_of
from engine.checkpoint import Checkpoint, Progress
from engine.errors import RecipeError
from engine.layout import VAE
from engine.live import LiveModel
from engine.plan import Plan, Prepass, plan_for
from engine.recipe import Recipe
from engine.rows import Row
from engine.widths import Shape

ALIGNMENT = 128  # elements


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a build did: contiguous segments and elements rewritten, blocks touched, wall time."""

    segments: int
    elements: int
    blocks: frozenset[str]
    seconds: float


def element_of(key: str) -> str:
    """The part of a block that a key belongs to, for the order in memory."""
    return next((element for element in ELEMENTS if element in key), "")


def memory_order(keys: Iterable[str]) -> list[str]:
    """Keys by block, then element, then name."""
    return sorted(keys, key=lambda key: (BLOCKS.index(block_of(key)), element_of(key), key))


def offsets_of(sizes: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Where each key starts, in elements, and the length of the buffer."""
    starts: dict[str, int] = {}
    end = 0
    for key, size in sizes.items():
        starts[key] = end
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return starts, end


class _Region:
    """Some keys with one live dtype: the parents' buffers and the live one."""

    def __init__(self, sizes: dict[str, int], dtype: torch.dtype, device: torch.device) -> None:
        self.sizes = sizes
        self.starts, self.length = offsets_of(sizes)
        self.live = torch.zeros(self.length, dtype=dtype, device=device)
        self.parents: dict[str, Tensor] = {}

    def view(self, key: str, buffer: Tensor) -> Tensor:
        return buffer[self.starts[key] : self.starts[key] + self.sizes[key]]

    def load(self, checkpoint: Checkpoint, dtype: torch.dtype) -> Iterator[tuple[Tensor, int]]:
        """Fill a new parent buffer key by key; yields it and the bytes read so far."""
        buffer = torch.zeros(self.length, dtype=dtype, device=self.live.device)
        done = 0
        for key in self.sizes:
            self.view(key, buffer).copy_(checkpoint.read(key).reshape(-1))
            done += checkpoint.tensors[key].size
            yield buffer, done

    def runs(self, changed: Mapping[str, Row]) -> Iterator[tuple[Row, list[str]]]:
        """Neighbouring changed keys with equal plain rows, so that one pass does them all."""
        run: list[str] = []
        for key in self.sizes:
            if run and (changed.get(key) != changed[run[0]] or not changed[key].is_plain):
                yield changed[run[0]], run
                run = []
            if key in changed:
                run.append(key)
        if run:
            yield changed[run[0]], run

    def span(self, run: Sequence[str]) -> slice:
        return slice(self.starts[run[0]], self.starts[run[-1]] + self.sizes[run[-1]])


class LiveWeights:
    """Owns the memory of a live model and of its parents.

    Attributes:
        keys: every live LDM key, in memory order.
    """

    def __init__(
        self,
        live: LiveModel,
        regions: list[_Region],
        arithmetic: Arithmetic,
        checkpoints: Mapping[str, Checkpoint],
    ) -> None:
        self.live = live
        self.names: tuple[str, ...] = tuple(checkpoints)
        self._checkpoints = dict(checkpoints)
        self._shapes = _shared({name: checkpoint.shapes for name, checkpoint in checkpoints.items()})
        self.keys: tuple[str, ...] = tuple(key for region in regions for key in region.sizes)
        self._regions = regions
        self._arithmetic = arithmetic
        self._built: dict[str, Row] = {}
        self._prepasses: dict[int, tuple[Prepass, Found]] = {}
        # Each parameter's module and attribute, looked up once: by name it would cost more than the build.
        self._places = {key: live.places(key) for key in self.keys}
        self._addresses = {key: _addresses(places) for key, places in self._places.items()}

    @classmethod
    def load(
        cls,
        live: LiveModel,
        checkpoints: Mapping[str, Checkpoint],
        *,
        device: torch.device,
        dtype: torch.dtype,
        round_to: str = "fp16",
        progress: Progress | None = None,
    ) -> LiveWeights:
        """Read the parents into memory and make the parameters of ``live`` views of the live buffers.

        Args:
            live: from ``LiveModel.empty``; usable after the first ``build``.
            checkpoints: by the names recipes use, already checked against each other.
            device: where everything lives.
            dtype: of UNet and text encoder; the VAE is float32, since decoding in fp16 can overflow.
            round_to: fp16, bf16 or fp32: what exports are written in, so what every built value is rounded to.
            progress: called with (bytes read, bytes in all).
        """
        keys = memory_order(live.shapes)
        vae = [key for key in keys if key.startswith(VAE)]
        rest = [key for key in keys if not key.startswith(VAE)]
        regions = [_region(live, part, kind, device) for part, kind in ((rest, dtype), (vae, torch.float32))]
        _load_parents(regions, checkpoints, progress)
        for region in regions:
            for key in region.sizes:
                live.bind(key, region.view(key, region.live))
        live.fill_buffers(device)
        return cls(live, regions, Arithmetic(device, DTYPES[round_to]), checkpoints)

    def plan(self, recipe: Recipe) -> Plan:
        """The plan of a recipe for what is in memory.

        Raises:
            RecipeError: the recipe takes a model that was not loaded, or blocks that these models lack.
        """
        return plan_for(recipe, self._shapes)

    def build(self, plan: Plan) -> BuildReport:
        """Make the live model the plan's, in place; only what differs from the last build is rewritten.

        Raises:
            RecipeError: the plan takes a model that was not loaded.
        """
        self._check(plan)
        started = time.perf_counter()
        stale = self._find_out(plan)
        rows = {key: plan.rows[key] for key in self.keys}
        changed = {key: row for key, row in rows.items() if self._built.get(key) != row or (stale and row.runs & stale)}
        segments = elements = 0
        for region in self._regions:
            for row, run in region.runs(changed):
                elements += self._rebuild(region, row, run)
                segments += 1
        if self._regions[0].live.is_cuda:
            torch.cuda.synchronize(self._regions[0].live.device)
        blocks = frozenset(block_of(key) for key in changed)
        seconds = time.perf_counter() - started
        return BuildReport(segments=segments, elements=elements, blocks=blocks, seconds=seconds)

    def read(self, key: str) -> Tensor:
        """The live value of a key, in the live dtype and the LDM tensor's shape; a view, not a copy."""
        region = next(region for region in self._regions if key in region.sizes)
        return region.view(key, region.live).view(self.live.shapes[key])

    def _find_out(self, plan: Plan) -> frozenset[int]:
        """Do the pre-passes that have not been done yet, over the files; returns the numbers of those runs."""
        stale: set[int] = set()
        for number in sorted(plan.prepasses):
            wanted, known = plan.prepasses[number], self._prepasses.pop(number, None)
            if known is None or known[0] != wanted or wanted.runs & stale:
                known = wanted, prepass(wanted, self._stored, plan.shapes, self._known)
                stale.add(number)
            self._prepasses[number] = known
        return frozenset(stale)

    @property
    def _known(self) -> Found:
        """What the pre-passes found out."""
        return Found.of_runs({number: found for number, (_, found) in self._prepasses.items()})

    def _stored(self, name: str, key: str) -> Tensor:
        """A tensor of a parent's file."""
        return self._checkpoints[name].read(key)

    def _parent(self, name: str, key: str) -> Tensor:
        """A parent's tensor in the shape of its file."""
        region = next(region for region in self._regions if key in region.sizes)
        return region.view(key, region.parents[name]).view(self._shapes[name][key])

    def _rebuild(self, region: _Region, row: Row, run: list[str]) -> int:
        span = region.span(run)
        for key in run:  # until it is done, nothing is known of these: an interrupted build is built again
            self._built.pop(key, None)
        if row.is_plain:
            self._arithmetic.evaluate(row, lambda name: region.parents[name][span], region.live[span])
        else:
            self._rebuild_key(region, row, run[0])
        self._built.update(dict.fromkeys(run, row))
        return sum(region.sizes[key] for key in run)

    def _rebuild_key(self, region: _Region, row: Row, key: str) -> None:
        read = lambda name: self._parent(name, key)  # noqa: E731
        shape = self._shapes[self.names[0]][key]
        self._arithmetic.evaluate_key(key, row, read, shape, region.view(key, region.live), self._known)

    def _check(self, plan: Plan) -> None:
        unknown = sorted({*plan.models} - {*self.names})
        if unknown:
            raise RecipeError(f"the recipe takes {', '.join(unknown)}; the models at hand are {', '.join(self.names)}")
        moved = [key for key, places in self._places.items() if _addresses(places) != self._addresses[key]]
        if moved:
            raise RuntimeError(
                f"{len(moved)} parameters left their memory, such as {moved[0]}: was the model moved or cast?"
            )


def _addresses(places: list[tuple[nn.Module, str]]) -> list[int]:
    return [getattr(*place).data_ptr() for place in places]


def _shared(shapes: Mapping[str, Mapping[str, Shape]]) -> dict[str, Mapping[str, Shape]]:
    """Equal mappings as one: what is known to fit need not be compared for every plan."""
    found: dict[str, Mapping[str, Shape]] = {}
    for name, mapping in shapes.items():
        found[name] = next((known for known in found.values() if known == mapping), mapping)
    return found


def _region(live: LiveModel, keys: list[str], dtype: torch.dtype, device: torch.device) -> _Region:
    return _Region({key: prod(live.shapes[key]) for key in keys}, dtype, device)


def _parent_dtype(region: _Region, checkpoints: Iterable[Checkpoint]) -> torch.dtype:
    """fp16 where all parents have nothing but that, else float32, which holds every other exactly."""
    half = all(checkpoint.tensors[key].dtype == "F16" for checkpoint in checkpoints for key in region.sizes)
    return torch.float16 if half else torch.float32


def _load_parents(regions: list[_Region], checkpoints: Mapping[str, Checkpoint], progress: Progress | None) -> None:
    """One buffer per file and region; two names for one file share theirs."""
    loaded: dict[tuple[Path, int], Tensor] = {}
    files = {checkpoint.path.resolve(): checkpoint for checkpoint in checkpoints.values()}
    total = sum(c.tensors[key].size for c in files.values() for region in regions for key in region.sizes)
    before = 0
    for path, checkpoint in files.items():
        for number, region in enumerate(regions):
            done = 0
            for buffer, done in region.load(checkpoint, _parent_dtype(region, files.values())):
                loaded[path, number] = buffer
                if progress:
                    progress(before + done, total)
            before += done
    for number, region in enumerate(regions):
        region.parents = {name: loaded[c.path.resolve(), number] for name, c in checkpoints.items()}
