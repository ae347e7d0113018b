"""Study files, nights, storage, pictures outside a study, and the command line.

In a notebook: `studies.studyfile.read.read_study_file` reads a study file, `studies.night.night.Night` runs it,
`studies.store.opening.open_store` opens its trials, `studies.store.outcome.read_outcome` reads the finalists,
`studies.recipes.inputs.read_input` reads recipes in any format. README.md has the commands, and a study's folder.
"""
