"""Run by mergekit's own Python: calls mergekit-pytorch for each job, a folder and words, of the file that is named."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from mergekit.scripts.merge_raw_pytorch import main  # pyright: ignore[reportMissingImports]

for folder, _, *words in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
    os.chdir(folder)
    main([*words, "--quiet"], standalone_mode=False)
