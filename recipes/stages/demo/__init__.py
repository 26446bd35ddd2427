"""The page on which a sound is heard and the predicted cortex is seen."""
