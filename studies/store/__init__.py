"""What a study keeps: trials, renders, outcome, pins, locks."""
