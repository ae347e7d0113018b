"""How studies stand, for people and for programs that watch them: status, log, metrics, the command told of the end."""
