"""A merge as a workflow of ComfyUI's built-in nodes: which nodes, how they are wired, and the files that hold them."""
