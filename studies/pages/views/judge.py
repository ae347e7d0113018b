"""Judging: blind pairs, one after the other, and nothing else."""

from __future__ import annotations

from typing import cast

from starlette.exceptions import HTTPException
from starlette.responses import Response

from studies.pages.background.judging import Judging, Tally
from studies.pages.context import Visit
from studies.review.judging.picks import Answer, BrokenSide
from studies.store.judged.person import user_name

ENOUGH = 20
"""Answers from which the page says how far the scorers agree with the person."""
LONGEST_NOTE = 2000
"""The most letters of a note."""
_ANSWERS = ("left", "right", "same", "broken", "skipped")
_SIDES = ("left", "right", "both")
_HOW = ("zoom", "first", "second", "broken")
"""Other ways to show a pair: both large; one alone; with the question which one is broken."""


def judge_page(visit: Visit) -> Response:
    """Show the next pair; or that pictures are being opened, or why there is nothing to judge."""
    if not visit.can_write:
        return visit.page("judging/judge_closed.html", state="read only", problems=())
    look = judging_of(visit).look(visit.study.spec)
    if look.pair is None:
        return visit.page("judging/judge_closed.html", state=look.state, problems=look.problems, tally=look.tally)
    references, answered = len(visit.study.spec.target.references), look.tally.answered if look.tally else 0
    how = visit.asked("how")
    return visit.page(
        "judging/judge.html",
        pair=look.pair,
        references=sorted({(2 * answered + place) % references for place in range(2)}) if references else [],
        how=how if how in _HOW else "",
        tally=look.tally,
        goal=_goal(answered),
        enough=ENOUGH,
        agreeing=_most_agreeing(look.tally),
    )


def judging_of(visit: Visit) -> Judging:
    """Return the judging of the study of the address."""
    return visit.site.judging.of(str(visit.reader.file))


def _goal(answered: int) -> int:
    """The number of answers that the line goes up to: twenty, forty, ..."""
    return ENOUGH * (answered // ENOUGH + 1)


def _most_agreeing(tally: Tally | None) -> str:
    """The scorer that agrees most often; "" where there are too few answers to say it, or none stands out."""
    if tally is None or tally.answered < ENOUGH:
        return ""
    shares = {name: one.share for name, one in tally.scorers.items() if one.pairs}
    best = max(shares, key=lambda name: shares[name], default="")
    return best if len(shares) > 1 and list(shares.values()).count(shares[best]) == 1 else ""


def judged_picture(visit: Visit) -> Response:
    """Answer with a picture of a pair that was shown lately."""
    content = judging_of(visit).picture(visit.request.path_params["picture"])
    if content is None:
        raise HTTPException(404, "there is no such picture")
    return Response(content, media_type="image/webp", headers={"Cache-Control": "private, max-age=3600"})


def keep_pick(visit: Visit) -> Response:
    """Keep an answer."""
    form = visit.form
    answer, broken, note = form.get("answer", ""), form.get("broken", ""), form.get("note", "").strip()
    if broken:
        answer = "broken"
    if answer not in _ANSWERS or (answer == "broken") != (broken in _SIDES):
        raise HTTPException(400, "this is no answer")
    if len(note) > LONGEST_NOTE:
        raise HTTPException(400, f"a note has at most {LONGEST_NOTE} letters")
    kept = judging_of(visit).answer(
        visit.study.spec,
        form.get("token", ""),
        cast("Answer", answer),
        broken=cast("BrokenSide", broken),
        note=note,
        by=user_name(),
    )
    return visit.go("judge") if kept else visit.go("judge", late=1)


def undo_pick(visit: Visit) -> Response:
    """Take the last answer back."""
    known = judging_of(visit).undo(visit.study.spec, visit.form.get("token", ""))
    return visit.go("judge") if known else visit.go("judge", late=1)
