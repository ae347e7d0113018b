"""Run by sd-mecha's own Python: executes lines of usage, one list of lines a job, from the file that is named."""

from __future__ import annotations

import json
import sys
from pathlib import Path

for lines in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
    exec("\n".join(lines), {})  # noqa: S102 - what the export says is what is tested
