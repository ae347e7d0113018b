"""The parents of a live model: in their files at first, and brought close where a recipe changes more than once.

Parents keep the dtype of their file, tensor by tensor; they are converted where they are computed with, so rounding
happens once. What moves is a whole segment: the neighbouring keys of one block and element that have one dtype.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from engine.checkpoints.checkpoint import Checkpoint
from engine.footprint.options import RESIDENCES, Residence
from engine.footprint.plan import RAM_SPARE, MemoryPlan
from engine.live.allocation import OUT_OF_MEMORY, Memory
from engine.live.memory import Region, element_of
from engine.live.streaming import Streamer
from engine.recipes.blocks import block_of

log = logging.getLogger(__name__)

STRETCH = 1 << 27
"""Elements that are brought close together at most: 256 MB in fp16; what does not fit as a whole may fit in parts."""
_DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Home:
    """Where the parents of some keys lie together.

    Attributes:
        residence: where; ``disk``: in their files.
        dtypes: of each file's tensors.
        start: the element of the region that the tensors begin with.
        tensors: for each file, flat and parallel to the live buffer; none where they are in their files.
    """

    residence: Residence
    dtypes: tuple[torch.dtype, ...]
    start: int = 0
    tensors: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Segment:
    region: Region
    keys: tuple[str, ...]
    dtypes: tuple[torch.dtype, ...]

    @property
    def start(self) -> int:
        return self.region.starts[self.keys[0]]

    @property
    def end(self) -> int:
        return self.region.starts[self.keys[-1]] + self.region.sizes[self.keys[-1]]


@dataclass(slots=True, kw_only=True)
class Parents:
    """Knows where every parent's tensors are, and moves them.

    Attributes:
        checkpoints: by the names that recipes use.
        files: the files behind them, each once.
        number: of a model's file, by the model's name.
        residence: where what is brought close next goes.
        streamer: brings what is not close to the device.
        homes: where the parents of every key lie.
        room: bytes of the device to leave free; None where the residence was asked for.
        plan: what was planned to lie where, which `residence` and `room` follow at first.
    """

    memory: Memory
    checkpoints: dict[str, Checkpoint]
    files: tuple[Checkpoint, ...]
    number: dict[str, int]
    residence: Residence
    streamer: Streamer
    room: int | None = None
    plan: MemoryPlan | None = None
    homes: dict[str, Home] = field(default_factory=dict[str, Home])
    _segments: dict[str, _Segment] = field(default_factory=dict[str, "_Segment"])
    _changed_once: set[str] = field(default_factory=set[str])
    _in_files: dict[tuple[torch.dtype, ...], Home] = field(default_factory=dict[tuple[torch.dtype, ...], Home])

    @classmethod
    def of(
        cls,
        checkpoints: Mapping[str, Checkpoint],
        keys: Iterable[str],
        memory: Memory,
        residence: Residence,
        room: int | None = None,
    ) -> Parents:
        """Return parents that lie in their files; two names of one file share its tensors.

        Args:
            checkpoints: by the names of the models.
            keys: all that may be added.
            memory: where what is brought close comes from.
            residence: where it goes.
            room: bytes of the device to leave free; None where the residence was asked for.
        """
        paths = {name: checkpoint.path.resolve() for name, checkpoint in checkpoints.items()}
        files: dict[Path, Checkpoint] = {}
        for name, path in paths.items():
            files.setdefault(path, checkpoints[name])
        order = list(files)
        number = {name: order.index(path) for name, path in paths.items()}
        opened, needed = tuple(files.values()), tuple(keys)
        widest = [max(_dtype_of(file, key).itemsize for key in needed if key in file.tensors) for file in opened]
        return cls(
            memory=memory, checkpoints=dict(checkpoints), files=opened, number=number, residence=residence, room=room,
            streamer=Streamer(memory, opened, widest),
        )  # fmt: skip

    def add(self, region: Region) -> None:
        """Take in the keys of a region, which every file has.

        Raises:
            CheckpointError: a file is damaged or cannot be read.
        """
        for checkpoint in self.files:
            checkpoint.check_readable()
        for segment in self._segments_of(region):
            self._segments |= dict.fromkeys(segment.keys, segment)
            self._leave_in_files(segment.keys, segment.dtypes)

    def sizes(self) -> dict[str, int]:
        """Return the bytes that every key takes in all files together."""
        return {
            key: segment.region.sizes[key] * sum(dtype.itemsize for dtype in segment.dtypes)
            for key, segment in self._segments.items()
        }

    def bytes_at(self, residence: Residence) -> int:
        """Return the bytes of parents that lie somewhere."""
        homes = {id(home): home for home in self.homes.values() if home.residence == residence}
        return sum(tensor.numel() * tensor.element_size() for home in homes.values() for tensor in home.tensors)

    def is_near(self, key: str) -> bool:
        """Whether the parents of a key can be computed with where they lie."""
        home = self.homes[key]
        return home.residence == "device" or (home.residence == "host" and not self.memory.separate)

    def tensor(self, name: str, key: str) -> Tensor:
        """Return a model's tensor on the device, in the shape of its file; a view where it lies there.

        Raises:
            CheckpointError: the file cannot be read, or was changed.
        """
        region, home, number = self._segments[key].region, self.homes[key], self.number[name]
        shape = self.files[number].shapes[key]
        if not home.tensors:
            out = torch.empty(region.sizes[key], dtype=home.dtypes[number])
            region.read(self.files[number], region.starts[key], out)
            return out.to(self.memory.device).view(shape)
        start = region.starts[key] - home.start
        return home.tensors[number][start : start + region.sizes[key]].to(self.memory.device).view(shape)

    # ------------------------------------------------------------------------------------------------ moving

    def note_changes(self, keys: Iterable[str]) -> None:
        """Bring the segments of keys close that change for the second time or more often; call it before each build.

        Raises:
            CheckpointError: a file cannot be read, or was changed.
        """
        again = [key for key in keys if key in self._changed_once]
        self._changed_once.update(keys)
        if self.residence == "disk":
            return
        far = {id(segment) for segment in map(self._segments.__getitem__, again) if self._is_far(segment)}
        for stretch in _stretches(self._segments.values(), far) if far else ():
            self._bring(stretch)

    def make_room(self) -> bool:
        """Take what lies on the device back to where there is more memory; return whether anything could be taken.

        What is taken back is brought close again by later builds, but not to the device.
        """
        taken = [key for key, home in self.homes.items() if home.residence == "device"]
        if taken:
            self._step_down("device")
        for key in taken:
            self._leave_in_files([key], self.homes[key].dtypes)
        self.memory.give_back()
        return bool(taken)

    def _is_far(self, segment: _Segment) -> bool:
        return self.homes[segment.keys[0]].residence == "disk"

    def _leave_in_files(self, keys: Iterable[str], dtypes: tuple[torch.dtype, ...]) -> None:
        home = self._in_files.setdefault(dtypes, Home(residence="disk", dtypes=dtypes))
        self.homes |= dict.fromkeys(keys, home)

    def _bring(self, stretch: Sequence[_Segment]) -> None:
        """Read a stretch from the files into the nearest memory that has room for it."""
        first, last = stretch[0], stretch[-1]
        tensors = self._allocated(last.end - first.start, first.dtypes)
        if not tensors:
            return
        home = Home(residence=tensors[0], dtypes=first.dtypes, start=first.start, tensors=tensors[1])
        stored = replace(home, residence="disk", tensors=())
        try:
            for number, tensor in enumerate(home.tensors):
                self.streamer.fill(first.region, stored, number, tensor)
        except OUT_OF_MEMORY:  # not even for the way there
            self._step_down(home.residence)
            return
        self.homes |= {key: home for segment in stretch for key in segment.keys}

    def _allocated(self, elements: int, dtypes: tuple[torch.dtype, ...]) -> tuple[Residence, tuple[Tensor, ...]] | None:
        """Memory for a stretch, and where it is; None where the stretch has to stay in its files."""
        while self.residence != "disk":
            if not self._leaves_room(elements * sum(dtype.itemsize for dtype in dtypes)):
                self._step_down(self.residence)
                continue
            make = self.memory.on_device if self.residence == "device" else self.memory.on_host
            try:
                return self.residence, tuple(make(elements, dtype) for dtype in dtypes)
            except OUT_OF_MEMORY:
                self._step_down(self.residence)
            self.memory.give_back()  # outside the handler, where what was allocated is free again
        return None

    def _leaves_room(self, size: int) -> bool:
        if self.room is None:
            return True
        if self.residence == "device":
            return size + self.room <= self.memory.free_on_device()
        return size + RAM_SPARE <= self.memory.free_on_host()

    def _step_down(self, residence: Residence) -> None:
        """From now on, nothing more goes where there is no room."""
        if self.residence != residence:
            return
        step = 2 if residence == "device" and not self.memory.separate else 1
        self.residence = RESIDENCES[min(RESIDENCES.index(residence) + step, len(RESIDENCES) - 1)]
        log.log(
            logging.WARNING if self.room is None else logging.INFO,  # "auto" promises no place
            'the parents do not all fit with parents = "%s": the rest is kept as with "%s"',
            residence,
            self.residence,
        )

    # ------------------------------------------------------------------------------------------------ segments

    def _segments_of(self, region: Region) -> Iterator[_Segment]:
        def mark(key: str) -> tuple[str, str, tuple[torch.dtype, ...]]:
            return block_of(key), element_of(key), tuple(_dtype_of(checkpoint, key) for checkpoint in self.files)

        for (_, _, dtypes), keys in groupby(region.sizes, key=mark):
            yield _Segment(region=region, keys=tuple(keys), dtypes=dtypes)


def _dtype_of(checkpoint: Checkpoint, key: str) -> torch.dtype:
    """The dtype that a tensor of a file is held in: its own, or float32 where that is none that merges know."""
    return _DTYPES.get(checkpoint.tensors[key].dtype, torch.float32)


def _stretches(segments: Iterable[_Segment], chosen: set[int]) -> Iterator[list[_Segment]]:
    """The chosen segments, neighbours of one dtype together; each segment may come several times."""
    stretch: list[_Segment] = []
    previous: _Segment | None = None
    for segment in segments:
        if segment is previous:
            continue
        previous = segment
        if stretch and not (id(segment) in chosen and _goes_on(stretch, segment)):
            yield stretch
            stretch = []
        if id(segment) in chosen:
            stretch.append(segment)
    if stretch:
        yield stretch


def _goes_on(stretch: Sequence[_Segment], segment: _Segment) -> bool:
    first = stretch[0]
    joins = first.region is segment.region and first.dtypes == segment.dtypes
    return joins and segment.end - first.start <= STRETCH
