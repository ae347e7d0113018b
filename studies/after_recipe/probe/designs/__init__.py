"""What a probe renders: which knobs, how far they move, alone or by a screening design, and what that costs."""
