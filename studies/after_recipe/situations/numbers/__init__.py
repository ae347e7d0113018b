"""From pictures of situations to numbers: differences with intervals, words that are obeyed, spreads, verdicts."""
