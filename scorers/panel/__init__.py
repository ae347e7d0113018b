"""From scorers to one objective: calibration, judging, penalties, differences."""
