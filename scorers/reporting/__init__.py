"""Numbers beside the objective: distance of sets, drift, separability."""
