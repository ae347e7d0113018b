"""What limits a night: a deadline, numbers of trials and pictures, the disk, work that hangs, signals."""
