"""Try it: what to merge next, given what earlier merges were worth. Numbers in, numbers out; no pictures, no tensors.

For a notebook: `search.space.build.build_space` (the knobs), `search.plan.SearchPlan` (stages and trials),
`search.suggester.Suggester` (`next`, `recommended`, `statuses`), `search.history.TrialRecord` (what came of a trial),
`search.finalists.choose`, `search.shots.ShotRotation`. `README.md` beside this file has an example that runs.
"""
