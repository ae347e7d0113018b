"""Other optimisers in the surrogate's place: Optuna's samplers and CMA-ES."""
