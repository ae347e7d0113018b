"""Everything that would fail or take long, found before anything expensive starts."""
