"""The recommended settings of a recipe: sampler, CFG, steps and so on, one after another or jointly."""
