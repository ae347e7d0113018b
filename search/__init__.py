"""Try it: knobs, stages and candidates. Numbers in, numbers out; no pictures, no tensors."""
