"""Pictures in, numbers out: how close a recipe's pictures come to the reference pictures.

For a notebook: ``scorers.panel.panel.Panel`` with its ``PanelSettings`` (``scorers.panel.settings``) scores recipes;
``scorers.features.Features`` is what it keeps of pictures; ``scorers.base`` says what a scorer of one's own is;
``scorers.catalogue.lookup`` lists the known ones. Nothing here knows models, recipes or study files.
"""
