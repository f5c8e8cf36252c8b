"""Runs as jobs: submission through Submitit, a Ray cluster inside a SLURM job, and the state of all jobs of a user."""
