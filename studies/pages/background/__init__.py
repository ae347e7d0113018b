"""What goes on behind pages while no request waits for it: opened pictures to judge, and long work on a study."""
