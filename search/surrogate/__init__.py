"""The surrogate model of the objective: a Gaussian process, its optimum, and the next proposal."""
