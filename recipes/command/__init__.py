"""What makes a command behave: its words, its process, its output folder, the names it resolves."""
