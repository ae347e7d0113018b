"""The live weights: the merged model in place, rewritten only where a recipe changes.

The live model lies in the regions of ``engine.live.memory``, and its parents where ``engine.live.parents`` keeps them.
Parameters are views of the live buffers, so building a recipe is a few passes over contiguous runs. No address of the
UNet ever changes; text encoders and VAE move as a whole when they are parked on the host.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.architecture.widths import Shape
from engine.checkpoints.checkpoint import BytesRead, Checkpoint, has_vae
from engine.errors import CheckpointError, EngineError, RecipeError
from engine.footprint.demand import Demand
from engine.footprint.machine import main_memory_errors
from engine.footprint.options import Residence
from engine.footprint.plan import MemoryPlan
from engine.live.addresses import Addresses
from engine.live.allocation import OUT_OF_MEMORY, Memory
from engine.live.loading import FirstReading, make_room_for
from engine.live.memory import Region, Run
from engine.live.model import LiveModel
from engine.live.parents import Parents
from engine.live.parking import TEXT, VAE_PART, Parking
from engine.live.residence import MemoryReport
from engine.live.rewriting import Rewriter, RunDone
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
        live: the modules.
        names: of the models, as recipes use them.
        keys: every live LDM key, in memory order.
    """

    def __init__(
        self,
        live: LiveModel,
        regions: list[Region],
        arithmetic: Arithmetic,
        parents: Parents,
        progress: BytesRead | None = None,
    ) -> None:
        self.live = live
        self._checkpoints = parents.checkpoints
        self.names: tuple[str, ...] = tuple(self._checkpoints)
        self._shapes = _shared({name: checkpoint.shapes for name, checkpoint in self._checkpoints.items()})
        self.keys: tuple[str, ...] = tuple(key for region in regions for key in region.sizes)
        self._regions = regions
        self._region_of = {key: region for region in regions for key in region.sizes}
        self._without_vae = tuple(key for region in regions[:-1] for key in region.sizes)
        self._arithmetic, self._parents = arithmetic, parents
        self._rewriter = Rewriter(regions, parents, arithmetic, self._shapes[self.names[0]])
        self._built: dict[str, TensorRow] = {}
        self._plan: MergePlan | None = None
        self._vae_is_merged = True
        self._prepasses: dict[int, tuple[RunPrepass, object]] = {}
        self._addresses = Addresses({key: live.places(key) for key in self.keys})
        self._parking = Parking(
            {TEXT: regions[0], VAE_PART: regions[-1]}, live.bind, self._addresses.note, parents.memory
        )
        self._reading = FirstReading(progress, parents.sizes()) if progress else None

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
        parents: str = "auto",
        expects: Demand | None = None,
        progress: BytesRead | None = None,
        memory: Memory | None = None,
    ) -> LiveWeights:
        """Make the parameters of ``live`` views of live buffers; the parents stay in their files until they are needed.

        Args:
            live: from ``LiveModel.empty``; usable after the first ``build``.
            checkpoints: by the names recipes use, already checked against each other.
            device: where everything lives.
            dtype: of UNet and text encoder; the VAE is float32, since decoding in fp16 can overflow.
            round_to: fp16, bf16 or fp32: what exports are written in, so what every built value is rounded to.
            vae: what ``use_vae`` takes; None: the merged one.
            parents: where parents that change again and again lie; one of ``PARENTS``.
            expects: what will be rendered, for what is left to the memory there is; None: usual pictures.
            progress: called with (bytes read, bytes in all) while the first build reads the parents.
            memory: where memory comes from; None: the device's own.

        Raises:
            CheckpointError: a file cannot be read.
            EngineError: the device has too little memory for the live model.
        """
        memory = memory or Memory(device)
        regions, kept = make_room_for(
            live, checkpoints, dtype, memory, parents=parents, with_vae=vae is None, expects=expects
        )
        for region in regions:
            for key in region.sizes:
                live.bind(key, region.view(key, region.live))
        live.fill_buffers(device)
        elements = sum(region.length for region in regions)
        weights = cls(live, regions, Arithmetic(device, DTYPES[round_to], elements=elements), kept, progress)
        weights.use_vae(vae)
        return weights

    @property
    def residence(self) -> Residence:
        """Where parents are brought that change again and again; less near than at first, once memory ran out."""
        return self._parents.residence

    @property
    def planned(self) -> MemoryPlan | None:
        """What was planned to lie where when the files were opened."""
        return self._parents.plan

    def memory(self) -> MemoryReport:
        """Return what lies where."""
        sizes = {region: region.live.numel() * region.live.element_size() for region in self._regions}
        parked = sum(sizes[region] for region in self._parking.parked())
        return MemoryReport(
            live=sum(sizes.values()) - parked,
            live_on_host=parked,
            parents_on_device=self._parents.bytes_at("device"),
            parents_on_host=self._parents.bytes_at("host"),
            scratch=self._arithmetic.scratch + self._parents.streamer.scratch,
        )

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
        """Take parents from the device, for a rendering that needs the memory; return whether there were any.

        They go where there is more memory, from the next build on that changes them; the live model stays as it is.
        """
        return self._parents.make_room()

    def plan(self, recipe: Recipe) -> MergePlan:
        """Return the plan of a recipe for the parents at hand.

        Raises:
            RecipeError: the recipe uses a model that was not loaded, or blocks that these models lack.
        """
        return plan_for(recipe, self._shapes)

    def build(self, plan: MergePlan) -> BuildReport:
        """Make the live model the plan's, in place; only what differs from the last build is rewritten.

        Raises:
            RecipeError: the plan uses a model that was not loaded.
            CheckpointError: a parent's file cannot be read, or was changed.
            EngineError: memory ran out, and there are no parents whose memory could be taken.
        """
        self._check(plan)
        started = time.perf_counter()
        self._update_prepasses(plan)
        changed = self._changed(plan)
        self._parents.note_changes(changed)
        blocks, segments, elements = frozenset(map(block_of, changed)), 0, 0

        def done(region: Region, run: Run) -> None:
            nonlocal segments, elements
            segments, elements = segments + 1, elements + sum(region.sizes[key] for key in run.keys)
            self._built.update(dict.fromkeys(run.keys, run.row))
            if self._reading:
                self._reading.count(run.keys)

        while changed:
            self._rewrite(changed, done)
            changed = self._changed(plan)
        if self._regions[0].live.is_cuda:
            torch.cuda.synchronize(self._regions[0].live.device)
        self._plan = plan
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

    def check_merged_vae(self) -> None:
        """Check that the parents have VAEs to merge.

        Raises:
            CheckpointError: a parent has none, or one of other widths.
        """
        if self._vae_is_merged:
            return
        lacking = [name for name, checkpoint in self._checkpoints.items() if not self._holds_vae(checkpoint)]
        if lacking:
            raise CheckpointError(
                f"there is no VAE in {', '.join(lacking)}, so none can be merged", remedy="give a VAE file"
            )

    def _merge_vae(self, region: Region) -> None:
        """Build the VAE from the parents', which may not have been asked for before."""
        self.check_merged_vae()
        if self._vae_is_merged:
            return
        self._parents.add(region)
        self._vae_is_merged = True
        if self._plan:
            self.build(self._plan)

    def _holds_vae(self, checkpoint: Checkpoint) -> bool:
        return has_vae(checkpoint) and checkpoint.widths.vae == self.live.family.widths.vae

    def read(self, key: str) -> Tensor:
        """Return the live value of a key, in the live dtype and the LDM tensor's shape; a view, not a copy."""
        region = next(region for region in self._regions if key in region.sizes)
        return region.view(key, region.live).view(self.live.shapes[key])

    def parent(self, name: str, key: str) -> Tensor:
        """Return a parent's tensor on the device, in the dtype and shape of its file.

        Raises:
            CheckpointError: it lies in its file, which cannot be read or was changed.
        """
        return self._parents.tensor(name, key)

    # ------------------------------------------------------------------------------------------------ building

    def _changed(self, plan: MergePlan) -> dict[str, TensorRow]:
        """The rows of keys that the live model does not have yet; equal rows are mostly one object."""
        built, rows = self._built.get, plan.rows
        keys = self.keys if self._vae_is_merged else self._without_vae
        changed = {key: row for key in keys if built(key) is not (row := rows[key]) and built(key) != row}
        for key in changed:  # unknown until it is done, so that an interrupted build is repeated
            self._built.pop(key, None)
        return changed

    def _rewrite(self, changed: Mapping[str, TensorRow], done: RunDone) -> None:
        """Rewrite keys; where memory runs out, parents go from the device, and some keys are left for another time."""
        try:
            for region in self._regions:
                if not region.sizes.keys().isdisjoint(changed):
                    self._parking.prepare(region)
            with main_memory_errors():
                self._rewriter.rewrite(changed, self._known, done)
        except OUT_OF_MEMORY as error:
            short: BaseException = error.with_traceback(None)  # whose frames would hold memory
        else:
            return
        if not self._parents.make_room():
            raise EngineError(
                "there is too little memory to build a recipe",
                remedy='close other programs that use the device, choose precision "fp16", or another device',
            ) from short

    def _update_prepasses(self, plan: MergePlan) -> None:
        """Do the pre-passes that have not been done yet, over the files; what depends on them is built again."""
        stale: set[int] = set()
        for number in sorted(plan.prepasses):
            needed, known = plan.prepasses[number], self._prepasses.pop(number, None)
            if known is None or known[0] != needed or needed.runs & stale:
                for key in [key for key, row in self._built.items() if number in row.runs]:
                    del self._built[key]
                known = needed, do_prepass(needed, self._stored, plan.shapes, self._known)
                stale.add(number)
            self._prepasses[number] = known

    @property
    def _known(self) -> Known:
        """What the pre-passes returned."""
        return {number: known for number, (_, known) in self._prepasses.items()}

    def _stored(self, name: str, key: str) -> Tensor:
        """A tensor of a parent's file."""
        return self._checkpoints[name].copy(key)

    def _check(self, plan: MergePlan) -> None:
        unknown = sorted({*plan.models} - {*self.names})
        if unknown:
            raise RecipeError(
                f"the recipe takes {', '.join(unknown)}", remedy=f"the models at hand are {', '.join(self.names)}"
            )
        if moved := self._addresses.moved():
            raise RuntimeError(
                f"{len(moved)} parameters left their memory, such as {moved[0]}: was the model moved or cast?"
            )


def _shared(shapes: Mapping[str, Mapping[str, Shape]]) -> dict[str, Mapping[str, Shape]]:
    """Equal mappings as one object, so that they are compared once and not for every plan."""
    shared: dict[str, Mapping[str, Shape]] = {}
    for name, mapping in shapes.items():
        shared[name] = next((known for known in shared.values() if known == mapping), mapping)
    return shared
