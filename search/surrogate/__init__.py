"""The model of the objective: a Gaussian process, its optimum, and where to look next."""
