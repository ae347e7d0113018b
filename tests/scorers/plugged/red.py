"""Plug-ins as people write them: a function for one picture, classes for features and for pictures."""

from __future__ import annotations

import numpy as np


def score(image, prompt="", reverse=False):
    """How red a picture is, as the auto-MBW extensions have it: a Pillow picture in, a number out."""
    red = np.asarray(image)[..., 0].mean() / 255
    return 1 - red if reverse else red


class Red:
    """The same from all pictures at once."""

    def look(self, images, prompts):
        return images[:, 0].mean((1, 2)).cpu().numpy()


class Brighter:
    """Brightness, measured from what calibration showed; nothing but features."""

    version = "1"
    needs = frozenset({"statistics"})

    def fit(self, calibration):
        self.base = float(np.mean([f.statistics[:, 3].mean() for f in calibration.recipes.values()]))

    def __call__(self, features):
        return features.statistics[:, 3].astype(float) - self.base


class Far:
    """Distance of every picture's embedding from the references."""

    needs = frozenset({"embedding:clip", "refs"})

    def fit(self, calibration):
        self.mean = calibration.references.embedding("clip").mean(0)

    def __call__(self, features):
        return -np.linalg.norm(features.embedding("clip") - self.mean, axis=1)


class Both:
    """Looks at pictures, and makes something else of what it saw."""

    name = "both"

    def look(self, images, prompts):
        return images.mean((1, 2, 3)).cpu().numpy()

    def __call__(self, features):
        return 10 * features.readings["both"]
