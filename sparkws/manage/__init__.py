"""What ran, from what, and what has to run again."""
