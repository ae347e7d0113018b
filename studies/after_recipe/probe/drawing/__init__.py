"""A probe in pictures: the matrix of knobs and effects, strips of every knob."""
