"""One night: calibrate, try, prove, simplify; and judging anew."""
