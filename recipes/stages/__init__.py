"""The steps that several commands take, where the rooms meet."""
