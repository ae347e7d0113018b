"""Rewriting parts of the live model: run by run, from parents that are close or on their way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from torch import Tensor

from engine.architecture.widths import Shape
from engine.live.memory import Region, Run
from engine.live.parents import Parents
from engine.live.streaming import Piece
from engine.merging.evaluate import Arithmetic, Known, PlainSum
from engine.modes.rows import TensorRow

RunDone = Callable[[Region, Run], None]
"""Called with every run that is rewritten."""


class Rewriter:
    """Computes rows into the live buffers.

    Args:
        regions: of the live model.
        parents: what rows are made of.
        arithmetic: of the device.
        shapes: of the tensors, in the first model's file.
    """

    def __init__(
        self, regions: Sequence[Region], parents: Parents, arithmetic: Arithmetic, shapes: Mapping[str, Shape]
    ) -> None:
        self._regions, self._parents, self._arithmetic, self._shapes = regions, parents, arithmetic, shapes

    def rewrite(self, changed: Mapping[str, TensorRow], known: Known, done: RunDone) -> None:
        """Rewrite keys.

        Args:
            changed: the row of every key that is rewritten.
            known: what pre-passes returned.
            done: called as it goes on; what it was not called for is half done where this raises.

        Raises:
            CheckpointError: a parent's file cannot be read, or was changed.
            torch.OutOfMemoryError, MemoryError: memory ran out.
        """
        for region in self._regions:
            far: list[Run] = []
            near: list[Run] = []
            for run in region.runs(changed, self._parents.homes):
                if not run.row.is_plain:
                    self._rewrite_key(region, run, known)
                    done(region, run)
                else:
                    (near if self._parents.is_near(run.keys[0]) else far).append(run)
            for some in self._together(near):
                self._arithmetic.evaluate_all([self._sum(region, run) for run in some])
                for run in some:
                    done(region, run)
            if far:
                self._rewrite_streamed(region, far, done)

    def _together(self, runs: list[Run]) -> list[list[Run]]:
        """On a GPU all at once, with as few launches as possible; else one by one, so that what is done is known."""
        if self._regions[0].live.is_cuda:
            return [runs] if runs else []
        return [[run] for run in runs]

    def _sum(self, region: Region, run: Run) -> PlainSum:
        home = self._parents.homes[run.keys[0]]
        span = slice(run.start - home.start, run.end - home.start)
        read = lambda name: home.tensors[self._parents.number[name]][span]  # noqa: E731
        return PlainSum(row=run.row, read=read, out=region.live[run.start : run.end])

    def _rewrite_key(self, region: Region, run: Run, known: Known) -> None:
        (key,) = run.keys
        read = lambda name: self._parents.tensor(name, key)  # noqa: E731
        self._arithmetic.evaluate_key(key, run.row, read, self._shapes[key], region.view(key, region.live), known)

    def _rewrite_streamed(self, region: Region, runs: Sequence[Run], done: RunDone) -> None:
        def use(piece: Piece, tensors: Mapping[int, Tensor]) -> None:
            run = runs[piece.number]
            read = lambda name: tensors[self._parents.number[name]]  # noqa: E731
            self._arithmetic.evaluate(run.row, read, region.live[piece.start : piece.end])
            if piece.end == run.end:
                done(region, run)

        self._parents.streamer.stream(self._pieces(region, runs), use)

    def _pieces(self, region: Region, runs: Sequence[Run]) -> Iterator[Piece]:
        for number, run in enumerate(runs):
            whole = Piece(
                region=region,
                source=self._parents.homes[run.keys[0]],
                files=tuple(sorted({self._parents.number[name] for name in run.row.models})),
                start=run.start,
                end=run.end,
                number=number,
            )
            yield from self._parents.streamer.cut(whole)
