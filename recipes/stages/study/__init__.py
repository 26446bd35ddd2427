"""A study: all jobs that the figures of both papers take, and running them."""
