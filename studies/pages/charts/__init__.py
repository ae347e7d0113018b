"""Charts as SVG, drawn on the server; each says its numbers as text too."""
