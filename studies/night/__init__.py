"""One night: calibrate, try, prove, simplify; and rescoring."""
