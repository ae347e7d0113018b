"""Numbers reported beside the objective: distances between sets of pictures, drift, separability."""
