"""The live weights: parents resident, the merged model in place, rewritten only where a recipe changes.

Parents and live model lie in the regions of ``engine.live.memory``. Parameters are views of the live buffers, so
building a recipe is a few passes over contiguous segments. No address of the UNet ever changes; text encoders and VAE
move as a whole when they are parked on the host.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from engine.architecture.layout import VAE
from engine.architecture.widths import UNET, Shape
from engine.checkpoints.checkpoint import BytesRead, Checkpoint, has_vae
from engine.errors import CheckpointError, RecipeError
from engine.live.memory import Region, load_parents, memory_order
from engine.live.model import LiveModel
from engine.live.parking import TEXT, VAE_PART, Parking
from engine.merging.evaluate import DTYPES, Arithmetic, Known, do_prepass
from engine.merging.folded import MergePlan, RunPrepass, plan_for
from engine.modes.rows import TensorRow
from engine.recipes.blocks import block_of
from engine.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a build did: contiguous segments and elements rewritten, blocks changed, wall time in seconds."""

    segments: int
    elements: int
    blocks: frozenset[str]
    seconds: float


class LiveWeights:
    """Owns the memory of a live model and of its parents.

    Attributes:
        keys: every live LDM key, in memory order.
    """

    def __init__(
        self,
        live: LiveModel,
        regions: list[Region],
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
        self._built: dict[str, TensorRow] = {}
        self._plan: MergePlan | None = None
        self._vae_is_merged = True
        self._prepasses: dict[int, tuple[RunPrepass, object]] = {}
        # Each parameter's module and attribute, looked up once: by name it would cost more than the build.
        self._places = {key: live.places(key) for key in self.keys}
        self._addresses = {key: _addresses(places) for key, places in self._places.items()}
        self._parking = Parking({TEXT: regions[0], VAE_PART: regions[-1]}, live.bind, self._note_addresses)

    @classmethod
    def load(
        cls,
        live: LiveModel,
        checkpoints: Mapping[str, Checkpoint],
        *,
        device: torch.device,
        dtype: torch.dtype,
        round_to: str = "fp16",
        vae: Mapping[str, Tensor] | None = None,
        progress: BytesRead | None = None,
    ) -> LiveWeights:
        """Read the parents into memory and make the parameters of ``live`` views of the live buffers.

        Args:
            live: from ``LiveModel.empty``; usable after the first ``build``.
            checkpoints: by the names recipes use, already checked against each other.
            device: where everything lives.
            dtype: of UNet and text encoder; the VAE is float32, since decoding in fp16 can overflow.
            round_to: fp16, bf16 or fp32: what exports are written in, so what every built value is rounded to.
            vae: what ``use_vae`` takes; None: the merged one.
            progress: called with (bytes read, bytes in all).
        """
        keys = memory_order(live.shapes)
        last = [key for key in keys if key.startswith(VAE)]
        unet = [key for key in keys if key.startswith(UNET)]
        text = [key for key in keys if not key.startswith((VAE, UNET))]
        parts = ((text, dtype), (unet, dtype), (last, torch.float32))
        regions = [_region(live, part, kind, device) for part, kind in parts]
        load_parents(regions if vae is None else regions[:-1], checkpoints, progress)
        for region in regions:
            for key in region.sizes:
                live.bind(key, region.view(key, region.live))
        live.fill_buffers(device)
        weights = cls(live, regions, Arithmetic(device, DTYPES[round_to]), checkpoints)
        weights.use_vae(vae)
        return weights

    def plan(self, recipe: Recipe) -> MergePlan:
        """Return the plan of a recipe for the parents in memory.

        Raises:
            RecipeError: the recipe uses a model that was not loaded, or blocks that these models lack.
        """
        return plan_for(recipe, self._shapes)

    def build(self, plan: MergePlan) -> BuildReport:
        """Make the live model the plan's, in place; only what differs from the last build is rewritten.

        Raises:
            RecipeError: the plan uses a model that was not loaded.
        """
        self._check(plan)
        started = time.perf_counter()
        stale = self._update_prepasses(plan)
        regions = self._regions if self._vae_is_merged else self._regions[:-1]
        rows = {key: plan.rows[key] for region in regions for key in region.sizes}
        changed = {key: row for key, row in rows.items() if self._built.get(key) != row or (stale and row.runs & stale)}
        segments = elements = 0
        for region in regions:
            for row, run in region.runs(changed):
                elements += self._rebuild(region, row, run)
                segments += 1
        if self._regions[0].live.is_cuda:
            torch.cuda.synchronize(self._regions[0].live.device)
        self._plan = plan
        blocks = frozenset(block_of(key) for key in changed)
        seconds = time.perf_counter() - started
        return BuildReport(segments=segments, elements=elements, blocks=blocks, seconds=seconds)

    def use_vae(self, vae: Mapping[str, Tensor] | None) -> None:
        """Fill the live VAE, in place, with a VAE that no build changes; None: with the merged one again.

        Args:
            vae: every tensor of it by LDM key, in the live shapes but for trailing ones.

        Raises:
            CheckpointError: ``vae`` is None, and a parent has no such VAE.
        """
        region = self._regions[-1]
        if vae is None:
            self._merge_vae(region)
            return
        self._parking.prepare(region)
        for key in region.sizes:
            self._built.pop(key, None)
            region.view(key, region.live).copy_(vae[key].reshape(-1))
        self._vae_is_merged = False

    def _merge_vae(self, region: Region) -> None:
        """Build the VAE from the parents', which are read now if they were not needed before."""
        if self._vae_is_merged:
            return
        lacking = [name for name, checkpoint in self._checkpoints.items() if not self._holds_vae(checkpoint)]
        if lacking:
            raise CheckpointError(
                f"there is no VAE in {', '.join(lacking)}, so none can be merged", remedy="give a VAE file"
            )
        if not region.parents:
            load_parents([region], self._checkpoints, None)
        self._vae_is_merged = True
        if self._plan:
            self.build(self._plan)

    def _holds_vae(self, checkpoint: Checkpoint) -> bool:
        return has_vae(checkpoint) and checkpoint.widths.vae == self.live.family.widths.vae

    def read(self, key: str) -> Tensor:
        """Return the live value of a key, in the live dtype and the LDM tensor's shape; a view, not a copy."""
        region = next(region for region in self._regions if key in region.sizes)
        return region.view(key, region.live).view(self.live.shapes[key])

    def park(self, part: str) -> bool:
        """Move a part, "text" or "vae", to the host until it is fetched; return whether the device has more memory."""
        return self._parking.park(part)

    def fetch(self, part: str) -> None:
        """Bring a parked part, "text" or "vae", back to the device; its parameters have new addresses.

        Raises:
            torch.OutOfMemoryError: It does not fit.
        """
        self._parking.fetch(part)

    def make_room(self) -> bool:
        """Give up memory of the device that rendering can do without; return whether there was any."""
        return False

    def _note_addresses(self, keys: Iterable[str]) -> None:
        self._addresses.update({key: _addresses(self._places[key]) for key in keys})

    def _update_prepasses(self, plan: MergePlan) -> frozenset[int]:
        """Do the pre-passes that have not been done yet, over the files; return the numbers of those runs."""
        stale: set[int] = set()
        for number in sorted(plan.prepasses):
            needed, known = plan.prepasses[number], self._prepasses.pop(number, None)
            if known is None or known[0] != needed or needed.runs & stale:
                known = needed, do_prepass(needed, self._stored, plan.shapes, self._known)
                stale.add(number)
            self._prepasses[number] = known
        return frozenset(stale)

    @property
    def _known(self) -> Known:
        """What the pre-passes returned."""
        return {number: known for number, (_, known) in self._prepasses.items()}

    def _stored(self, name: str, key: str) -> Tensor:
        """A tensor of a parent's file."""
        return self._checkpoints[name].read(key)

    def parent(self, name: str, key: str) -> Tensor:
        """Return a parent's tensor in the shape of its file."""
        region = next(region for region in self._regions if key in region.sizes)
        return region.view(key, region.parents[name]).view(self._shapes[name][key])

    def _rebuild(self, region: Region, row: TensorRow, run: list[str]) -> int:
        self._parking.prepare(region)
        span = region.span(run)
        for key in run:  # unknown until it is done, so that an interrupted build is repeated
            self._built.pop(key, None)
        if row.is_plain:
            self._arithmetic.evaluate(row, lambda name: region.parents[name][span], region.live[span])
        else:
            self._rebuild_key(region, row, run[0])
        self._built.update(dict.fromkeys(run, row))
        return sum(region.sizes[key] for key in run)

    def _rebuild_key(self, region: Region, row: TensorRow, key: str) -> None:
        read = lambda name: self.parent(name, key)  # noqa: E731
        shape = self._shapes[self.names[0]][key]
        self._arithmetic.evaluate_key(key, row, read, shape, region.view(key, region.live), self._known)

    def _check(self, plan: MergePlan) -> None:
        unknown = sorted({*plan.models} - {*self.names})
        if unknown:
            raise RecipeError(
                f"the recipe takes {', '.join(unknown)}", remedy=f"the models at hand are {', '.join(self.names)}"
            )
        moved = [key for key, places in self._places.items() if _addresses(places) != self._addresses[key]]
        if moved:
            raise RuntimeError(
                f"{len(moved)} parameters left their memory, such as {moved[0]}: was the model moved or cast?"
            )


def _addresses(places: list[tuple[nn.Module, str]]) -> list[int]:
    return [getattr(*place).data_ptr() for place in places]


def _shared(shapes: Mapping[str, Mapping[str, Shape]]) -> dict[str, Mapping[str, Shape]]:
    """Equal mappings as one object, so that they are compared once and not for every plan."""
    shared: dict[str, Mapping[str, Shape]] = {}
    for name, mapping in shapes.items():
        shared[name] = next((known for known in shared.values() if known == mapping), mapping)
    return shared


def _region(live: LiveModel, keys: list[str], dtype: torch.dtype, device: torch.device) -> Region:
    return Region({key: prod(live.shapes[key]) for key in keys}, dtype, device)
