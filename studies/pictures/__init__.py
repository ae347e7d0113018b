"""Pictures outside a study: renders and X/Y/Z plots."""
