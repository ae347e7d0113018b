"""The report of a study: one HTML file that needs nothing else, and a summary in Markdown."""
