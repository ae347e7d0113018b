"""Other optimisers in the surrogate's place: Optuna's and CMA-ES."""
