"""Pictures, by their names."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from studies.errors import StudyError
from studies.pages.context import Visit
from studies.pages.reading.pictures import SIZES, kept_picture, small


def picture_answer(visit: Visit) -> Response:
    """Answer with a picture of a study."""
    name, size = visit.request.path_params["picture"], visit.request.path_params["size"]
    try:
        picture = kept_picture(visit.study, name) if size in SIZES else None
        content = small(visit.study, picture, size) if picture else b""
    except (StudyError, OSError) as error:
        raise HTTPException(404, "this picture cannot be read") from error
    if picture is None:
        raise HTTPException(404, "there is no such picture")
    # The name says which picture it is; it may be drawn anew only by a repair.
    return Response(content, media_type="image/webp", headers={"Cache-Control": "private, max-age=86400"})
