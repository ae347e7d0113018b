"""All settings searched at once, by Optuna, for the score and the work of a picture."""
