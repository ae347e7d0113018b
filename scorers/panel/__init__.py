"""From scorers to one objective: settings, calibration, verdicts, penalties, comparisons, preferences."""
